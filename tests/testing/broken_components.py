"""Components that each break one promise, and the check that must notice."""

from __future__ import annotations

from broken_detectors import Clipper
from broken_explainers import Keeping, KeepingMany
from broken_metrics import Count, Hoarding, Left
from broken_registry import BROKEN

__all__ = ["BROKEN", "Clipper", "Count", "Hoarding", "Keeping", "KeepingMany", "Left"]
