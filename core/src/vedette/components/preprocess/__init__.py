"""Preprocessors that monitors share."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.preprocess.pca import PCA as PCA
    from vedette.components.preprocess.standardise import Standardise as Standardise

__getattr__, __dir__ = lazy(__name__)
