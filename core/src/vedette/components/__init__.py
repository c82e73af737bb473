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
        _built_in("metric", "frequencies", "Frequencies", "shares of the categories of a column"),
        _built_in("metric", "log_loss", "LogLoss", "mean negative log-likelihood of the labels"),
        _built_in("metric", "missing_rate", "MissingRate", "share of missing values per column"),
        _built_in("metric", "moments", "Moments", "mean, standard deviation, skewness, kurtosis, extremes"),
        _built_in("metric", "quantile", "Quantile", "quantile of a column by a KLL sketch"),
        _built_in("metric", "roc_auc", "RocAuc", "area under the ROC curve, with a certified bound"),
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
