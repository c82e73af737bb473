"""Metrics: accumulators that merge exactly or within a stated bound."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.metrics.accuracy import Accuracy as Accuracy
    from vedette.components.metrics.average_precision import AveragePrecision as AveragePrecision
    from vedette.components.metrics.balanced_accuracy import BalancedAccuracy as BalancedAccuracy
    from vedette.components.metrics.brier import Brier as Brier
    from vedette.components.metrics.calibration_error import CalibrationError as CalibrationError
    from vedette.components.metrics.confusion_matrix import ConfusionMatrix as ConfusionMatrix
    from vedette.components.metrics.cost import Cost as Cost
    from vedette.components.metrics.explained_variance import ExplainedVariance as ExplainedVariance
    from vedette.components.metrics.expression import Expression as Expression
    from vedette.components.metrics.f1 import F1 as F1
    from vedette.components.metrics.f_beta import FBeta as FBeta
    from vedette.components.metrics.frequencies import Frequencies as Frequencies
    from vedette.components.metrics.gain import Gain as Gain
    from vedette.components.metrics.kappa import Kappa as Kappa
    from vedette.components.metrics.lift import Lift as Lift
    from vedette.components.metrics.log_loss import LogLoss as LogLoss
    from vedette.components.metrics.mae import Mae as Mae
    from vedette.components.metrics.mape import Mape as Mape
    from vedette.components.metrics.mcc import Mcc as Mcc
    from vedette.components.metrics.median_error import MedianError as MedianError
    from vedette.components.metrics.missing_rate import MissingRate as MissingRate
    from vedette.components.metrics.moments import Moments as Moments
    from vedette.components.metrics.mse import Mse as Mse
    from vedette.components.metrics.ndcg import Ndcg as Ndcg
    from vedette.components.metrics.pinball import Pinball as Pinball
    from vedette.components.metrics.precision import Precision as Precision
    from vedette.components.metrics.quantile import Quantile as Quantile
    from vedette.components.metrics.r2 import R2 as R2
    from vedette.components.metrics.recall import Recall as Recall
    from vedette.components.metrics.reward import Reward as Reward
    from vedette.components.metrics.rmse import Rmse as Rmse
    from vedette.components.metrics.roc_auc import RocAuc as RocAuc
    from vedette.components.metrics.specificity import Specificity as Specificity
    from vedette.components.metrics.top_k import TopK as TopK

__getattr__, __dir__ = lazy(__name__)
