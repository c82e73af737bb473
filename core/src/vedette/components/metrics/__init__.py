"""Metrics: accumulators that merge exactly or within a stated bound."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.metrics.accuracy import Accuracy as Accuracy
    from vedette.components.metrics.frequencies import Frequencies as Frequencies
    from vedette.components.metrics.log_loss import LogLoss as LogLoss
    from vedette.components.metrics.missing_rate import MissingRate as MissingRate
    from vedette.components.metrics.moments import Moments as Moments
    from vedette.components.metrics.quantile import Quantile as Quantile
    from vedette.components.metrics.roc_auc import RocAuc as RocAuc

__getattr__, __dir__ = lazy(__name__)
