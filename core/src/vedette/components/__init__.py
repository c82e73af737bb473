"""The built-in components, registered through the same hooks as those of any other package."""

from __future__ import annotations

from collections.abc import Iterable

from vedette_specs.hooks import Component, ComponentKind, hookimpl

_FOLDERS: dict[ComponentKind, str] = {
    "metric": "metrics",
    "drift": "drift",
    "change": "change",
    "outlier": "outlier",
    "explainer": "explain",
    "preprocessor": "preprocess",
    "sink": "sinks",
}


def _built_in(kind: ComponentKind, name: str, cls: str, summary: str) -> Component:
    return Component(kind, name, f"{__name__}.{_FOLDERS[kind]}.{name}:{cls}", summary)


@hookimpl
def vedette_register_metrics() -> Iterable[Component]:
    return [
        _built_in("metric", "accuracy", "Accuracy", "share of predictions that equal the label"),
        _built_in("metric", "aipw_accuracy", "AipwAccuracy", "accuracy of all rows where only some kinds are labelled"),
        _built_in(
            "metric",
            "annotated_accuracy",
            "AnnotatedAccuracy",
            "accuracy from labels of several annotators, none of whom is always right",
        ),
        _built_in("metric", "aspect", "Aspect", "width / height of images"),
        _built_in(
            "metric",
            "average_precision",
            "AveragePrecision",
            "area under the precision-recall curve, with a certified bound",
        ),
        _built_in("metric", "balanced_accuracy", "BalancedAccuracy", "mean recall over the classes"),
        _built_in("metric", "brier", "Brier", "mean squared error of probabilities"),
        _built_in("metric", "brightness", "Brightness", "mean luma of images"),
        _built_in(
            "metric",
            "calibration_error",
            "CalibrationError",
            "distance of probabilities from frequencies, and the reliability curve",
        ),
        _built_in("metric", "cbpe", "Cbpe", "performance without labels, by calibrated probabilities"),
        _built_in("metric", "character_classes", "CharacterClasses", "shares of letters, digits, punctuation in texts"),
        _built_in("metric", "class_balance", "ClassBalance", "how often each class is predicted"),
        _built_in("metric", "concept_shift", "ConceptShift", "evidence that the model is more sure than it is right"),
        _built_in("metric", "confidence", "Confidence", "probability of the likeliest class"),
        _built_in("metric", "confusion_matrix", "ConfusionMatrix", "how often which class was taken for which"),
        _built_in("metric", "contrast", "Contrast", "root-mean-square contrast of images"),
        _built_in("metric", "cost", "Cost", "mean and total cost of predictions, by pairs of classes"),
        _built_in("metric", "covariance", "Covariance", "covariances and correlations of numeric columns"),
        _built_in("metric", "distinct_count", "DistinctCount", "number of different values by a HyperLogLog sketch"),
        _built_in("metric", "dle", "Dle", "errors of a regression without labels, by a model of its errors"),
        _built_in("metric", "duplicate_rows", "DuplicateRows", "share of rows that repeat another"),
        _built_in("metric", "entropy", "Entropy", "Shannon entropy of category columns"),
        _built_in(
            "metric",
            "explained_variance",
            "ExplainedVariance",
            "share of the labels' variance that predictions explain",
        ),
        _built_in("metric", "expression", "Expression", "a business metric as a formula over rows and totals"),
        _built_in("metric", "extremes", "Extremes", "k-th least and k-th largest values"),
        _built_in("metric", "f1", "F1", "harmonic mean of precision and recall"),
        _built_in("metric", "f_beta", "FBeta", "weighted harmonic mean of precision and recall"),
        _built_in("metric", "fourier_mean", "FourierMean", "distance to the reference by random features"),
        _built_in("metric", "frequencies", "Frequencies", "shares of the categories of a column"),
        _built_in("metric", "gain", "Gain", "share of the positives among the highest scores"),
        _built_in("metric", "harmful_shift", "HarmfulShift", "evidence that the loss is above the reference's"),
        _built_in("metric", "heavy_hitters", "HeavyHitters", "the commonest values, however many there are"),
        _built_in("metric", "histogram", "Histogram", "histogram whose bins find their own places"),
        _built_in("metric", "image_entropy", "ImageEntropy", "entropy of the grey levels of images"),
        _built_in("metric", "joint_histogram", "JointHistogram", "joint shares of pairs of columns"),
        _built_in("metric", "kappa", "Kappa", "agreement of labels and predictions beyond chance"),
        _built_in("metric", "lift", "Lift", "how much denser positives are among the highest scores"),
        _built_in("metric", "log_loss", "LogLoss", "mean negative log-likelihood of the labels"),
        _built_in("metric", "label_shift", "LabelShift", "performance without labels, where shares of classes change"),
        _built_in("metric", "mae", "Mae", "mean absolute error"),
        _built_in("metric", "mape", "Mape", "mean absolute error in proportion to the label"),
        _built_in("metric", "margin", "Margin", "probability of the likeliest class minus that of the next"),
        _built_in("metric", "mcc", "Mcc", "correlation of labels and predictions (Matthews)"),
        _built_in("metric", "median_error", "MedianError", "median absolute error by a KLL sketch"),
        _built_in("metric", "missing_rate", "MissingRate", "share of missing values per column"),
        _built_in("metric", "moments", "Moments", "mean, standard deviation, skewness, kurtosis, extremes"),
        _built_in("metric", "mse", "Mse", "mean squared error"),
        _built_in("metric", "ndcg", "Ndcg", "quality of rankings: the rows of a request by score"),
        _built_in("metric", "new_categories", "NewCategories", "share of categories that the reference never had"),
        _built_in("metric", "out_of_range", "OutOfRange", "share of values outside the allowed range"),
        _built_in("metric", "out_of_vocabulary", "OutOfVocabulary", "share of words that the reference does not have"),
        _built_in("metric", "outside_reference", "OutsideReference", "share outside the reference's quantiles"),
        _built_in("metric", "pape", "Pape", "performance without labels, where inputs shift"),
        _built_in("metric", "performance_change", "PerformanceChange", "change of performance, split by its cause"),
        _built_in(
            "metric", "performance_range", "PerformanceRange", "performance without labels, and what it is assumed on"
        ),
        _built_in("metric", "pinball", "Pinball", "loss of predicted quantiles"),
        _built_in("metric", "precision", "Precision", "share of a class's predictions that are right"),
        _built_in("metric", "prediction_entropy", "PredictionEntropy", "how undecided the model is"),
        _built_in("metric", "quantile", "Quantile", "quantile of a column by a KLL sketch"),
        _built_in("metric", "r2", "R2", "coefficient of determination"),
        _built_in("metric", "recall", "Recall", "share of a class's labels that were found"),
        _built_in("metric", "reward", "Reward", "mean and total of rewards that come back for predictions"),
        _built_in("metric", "rmse", "Rmse", "root mean squared error"),
        _built_in("metric", "roc_auc", "RocAuc", "area under the ROC curve, with a certified bound"),
        _built_in("metric", "saturation", "Saturation", "saturation of images"),
        _built_in("metric", "scripts", "Scripts", "shares of scripts in the letters of texts"),
        _built_in("metric", "sharpness", "Sharpness", "variance of the Laplacian of images"),
        _built_in(
            "metric", "specificity", "Specificity", "share of the other classes' rows that were not taken for a class"
        ),
        _built_in("metric", "subspace_angle", "SubspaceAngle", "angle of principal components to the reference's"),
        _built_in("metric", "text_length", "TextLength", "length of texts in characters"),
        _built_in("metric", "token_counts", "TokenCounts", "length of texts in words"),
        _built_in("metric", "top_k", "TopK", "share of labels among the k likeliest classes"),
        _built_in("metric", "type_mismatches", "TypeMismatches", "share of values of another type"),
    ]


@hookimpl
def vedette_register_detectors() -> Iterable[Component]:
    return [
        _built_in("drift", "chi2", "Chi2", "chi-squared test per category column"),
        _built_in("drift", "ks", "KS", "Kolmogorov-Smirnov test per numeric column"),
        _built_in("drift", "tabular", "Tabular", "KS and chi-squared by the kind of each column, corrected together"),
        _built_in("change", "conformal", "Conformal", "conformal Shiryaev-Roberts with a false-alarm budget"),
        _built_in("outlier", "isolation_forest", "IsolationForest", "isolation forest with conformal p-values"),
        _built_in("outlier", "mahalanobis", "Mahalanobis", "Mahalanobis distance with conformal p-values"),
    ]


@hookimpl
def vedette_register_explainers() -> Iterable[Component]:
    return [_built_in("explainer", "kernel_shap", "KernelShap", "Shapley values of the model's outputs")]


@hookimpl
def vedette_register_preprocessors() -> Iterable[Component]:
    return [
        _built_in("preprocessor", "pca", "PCA", "principal components of the numeric columns"),
        _built_in("preprocessor", "standardise", "Standardise", "numeric columns to mean 0 and variance 1"),
    ]


@hookimpl
def vedette_register_sinks() -> Iterable[Component]:
    return [
        _built_in("sink", "file", "File", "JSON lines in a file"),
        _built_in("sink", "log", "Log", "Python logging"),
        _built_in("sink", "webhook", "Webhook", "HTTP POST of the event, as JSON or CloudEvent"),
    ]


def built_ins() -> list[Component]:
    """All of the above."""
    return [
        *vedette_register_metrics(),
        *vedette_register_detectors(),
        *vedette_register_explainers(),
        *vedette_register_preprocessors(),
        *vedette_register_sinks(),
    ]
