"""Drift detectors: tests of a window against the reference."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.drift.chi2 import Chi2 as Chi2
    from vedette.components.drift.ks import KS as KS
    from vedette.components.drift.tabular import Tabular as Tabular

__getattr__, __dir__ = lazy(__name__)
