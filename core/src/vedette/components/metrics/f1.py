"""Harmonic mean of precision and recall."""

from __future__ import annotations

from vedette.components.metrics._rates import Average
from vedette.components.metrics.f_beta import FBeta


class F1(FBeta):
    """``2 tp / (2 tp + fn + fp)`` of a class, in [0, 1]: `f_beta` with beta = 1, under its usual name.

    average: `binary` (default for two classes), `macro` (default for more), `micro`, `weighted`, `by_class`.
    weight: input column or attribute that weighs the rows.
    What is missing, undeclared or undefined is treated as by `f_beta`.
    """

    name = "f1"

    def __init__(self, average: Average | None = None, weight: str | None = None) -> None:
        super().__init__(1.0, average, weight)
