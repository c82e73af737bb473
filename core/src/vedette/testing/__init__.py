"""The conformance kit: what every component promises, as named checks that ship with the package.

``check_component(MyDetector)`` runs them all; `parametrize_components` makes a pytest test of each.
"""

from vedette.testing.checks import CHECKS, Check
from vedette.testing.data import (
    MadeUpModel,
    binary_classification,
    drop_values,
    multiclass_classification,
    regression,
    spoil,
)
from vedette.testing.lab import CheckFailed, CheckSkipped, Lab, Subject
from vedette.testing.running import (
    BoundCheck,
    ConformanceError,
    check_component,
    checks_for,
    parametrize_components,
    run,
)

__all__ = [
    "CHECKS",
    "BoundCheck",
    "Check",
    "CheckFailed",
    "CheckSkipped",
    "ConformanceError",
    "Lab",
    "MadeUpModel",
    "Subject",
    "binary_classification",
    "check_component",
    "checks_for",
    "drop_values",
    "multiclass_classification",
    "parametrize_components",
    "regression",
    "run",
    "spoil",
]
