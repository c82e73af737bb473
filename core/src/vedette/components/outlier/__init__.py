"""Outlier detectors: pure scores of single rows."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.outlier.isolation_forest import IsolationForest as IsolationForest
    from vedette.components.outlier.mahalanobis import Mahalanobis as Mahalanobis

__getattr__, __dir__ = lazy(__name__)
