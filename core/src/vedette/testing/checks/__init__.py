"""The checks of the conformance kit, by name. A check takes a `Lab` and raises `CheckFailed`."""

from vedette.testing.checks import (
    accumulating,
    change,
    common,
    drift,
    explaining,
    fitting,
    outlier,
    preprocessing,
    sink,
)
from vedette.testing.checks._table import CHECKS, Check

__all__ = [
    "CHECKS",
    "Check",
    "accumulating",
    "change",
    "common",
    "drift",
    "explaining",
    "fitting",
    "outlier",
    "preprocessing",
    "sink",
]
