"""Metrics: accumulators that merge exactly or within a stated bound."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.metrics.accuracy import Accuracy as Accuracy
    from vedette.components.metrics.aipw_accuracy import AipwAccuracy as AipwAccuracy
    from vedette.components.metrics.annotated_accuracy import AnnotatedAccuracy as AnnotatedAccuracy
    from vedette.components.metrics.aspect import Aspect as Aspect
    from vedette.components.metrics.average_precision import AveragePrecision as AveragePrecision
    from vedette.components.metrics.balanced_accuracy import BalancedAccuracy as BalancedAccuracy
    from vedette.components.metrics.brier import Brier as Brier
    from vedette.components.metrics.brightness import Brightness as Brightness
    from vedette.components.metrics.calibration_error import CalibrationError as CalibrationError
    from vedette.components.metrics.cbpe import Cbpe as Cbpe
    from vedette.components.metrics.character_classes import CharacterClasses as CharacterClasses
    from vedette.components.metrics.class_balance import ClassBalance as ClassBalance
    from vedette.components.metrics.concept_shift import ConceptShift as ConceptShift
    from vedette.components.metrics.confidence import Confidence as Confidence
    from vedette.components.metrics.confusion_matrix import ConfusionMatrix as ConfusionMatrix
    from vedette.components.metrics.contrast import Contrast as Contrast
    from vedette.components.metrics.cost import Cost as Cost
    from vedette.components.metrics.covariance import Covariance as Covariance
    from vedette.components.metrics.distinct_count import DistinctCount as DistinctCount
    from vedette.components.metrics.dle import Dle as Dle
    from vedette.components.metrics.duplicate_rows import DuplicateRows as DuplicateRows
    from vedette.components.metrics.entropy import Entropy as Entropy
    from vedette.components.metrics.explained_variance import ExplainedVariance as ExplainedVariance
    from vedette.components.metrics.expression import Expression as Expression
    from vedette.components.metrics.extremes import Extremes as Extremes
    from vedette.components.metrics.f1 import F1 as F1
    from vedette.components.metrics.f_beta import FBeta as FBeta
    from vedette.components.metrics.fourier_mean import FourierMean as FourierMean
    from vedette.components.metrics.frequencies import Frequencies as Frequencies
    from vedette.components.metrics.gain import Gain as Gain
    from vedette.components.metrics.harmful_shift import HarmfulShift as HarmfulShift
    from vedette.components.metrics.heavy_hitters import HeavyHitters as HeavyHitters
    from vedette.components.metrics.histogram import Histogram as Histogram
    from vedette.components.metrics.image_entropy import ImageEntropy as ImageEntropy
    from vedette.components.metrics.joint_histogram import JointHistogram as JointHistogram
    from vedette.components.metrics.kappa import Kappa as Kappa
    from vedette.components.metrics.label_shift import LabelShift as LabelShift
    from vedette.components.metrics.lift import Lift as Lift
    from vedette.components.metrics.log_loss import LogLoss as LogLoss
    from vedette.components.metrics.mae import Mae as Mae
    from vedette.components.metrics.mape import Mape as Mape
    from vedette.components.metrics.margin import Margin as Margin
    from vedette.components.metrics.mcc import Mcc as Mcc
    from vedette.components.metrics.median_error import MedianError as MedianError
    from vedette.components.metrics.missing_rate import MissingRate as MissingRate
    from vedette.components.metrics.moments import Moments as Moments
    from vedette.components.metrics.mse import Mse as Mse
    from vedette.components.metrics.ndcg import Ndcg as Ndcg
    from vedette.components.metrics.new_categories import NewCategories as NewCategories
    from vedette.components.metrics.out_of_range import OutOfRange as OutOfRange
    from vedette.components.metrics.out_of_vocabulary import OutOfVocabulary as OutOfVocabulary
    from vedette.components.metrics.outside_reference import OutsideReference as OutsideReference
    from vedette.components.metrics.pape import Pape as Pape
    from vedette.components.metrics.performance_change import PerformanceChange as PerformanceChange
    from vedette.components.metrics.performance_range import PerformanceRange as PerformanceRange
    from vedette.components.metrics.pinball import Pinball as Pinball
    from vedette.components.metrics.precision import Precision as Precision
    from vedette.components.metrics.prediction_entropy import PredictionEntropy as PredictionEntropy
    from vedette.components.metrics.quantile import Quantile as Quantile
    from vedette.components.metrics.r2 import R2 as R2
    from vedette.components.metrics.recall import Recall as Recall
    from vedette.components.metrics.reward import Reward as Reward
    from vedette.components.metrics.rmse import Rmse as Rmse
    from vedette.components.metrics.roc_auc import RocAuc as RocAuc
    from vedette.components.metrics.saturation import Saturation as Saturation
    from vedette.components.metrics.scripts import Scripts as Scripts
    from vedette.components.metrics.sharpness import Sharpness as Sharpness
    from vedette.components.metrics.specificity import Specificity as Specificity
    from vedette.components.metrics.subspace_angle import SubspaceAngle as SubspaceAngle
    from vedette.components.metrics.text_length import TextLength as TextLength
    from vedette.components.metrics.token_counts import TokenCounts as TokenCounts
    from vedette.components.metrics.top_k import TopK as TopK
    from vedette.components.metrics.type_mismatches import TypeMismatches as TypeMismatches

__getattr__, __dir__ = lazy(__name__)
