"""Change detectors: sequential, with a promise about false alarms."""

from typing import TYPE_CHECKING

from vedette.components._lazy import lazy

if TYPE_CHECKING:
    from vedette.components.change.conformal import Conformal as Conformal

__getattr__, __dir__ = lazy(__name__)
