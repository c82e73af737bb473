"""Root mean squared error."""

from __future__ import annotations

import math

from vedette.components.metrics._regression import ErrorMetric
from vedette_specs import Floats, State, Tags
from vedette_specs.results import Value


class Rmse(ErrorMetric):
    """Square root of the mean of (label - prediction)^2, in the label's unit, from 0.

    weight: input column or attribute that weighs the rows.
    Rows whose label or prediction is missing or infinite are left out and counted in `details.left_out`.
    """

    name = "rmse"
    tags = Tags(needs_labels=True, needs_prediction=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def errors(self, truth: Floats, answer: Floats) -> Floats:
        return (truth - answer) ** 2

    def values(self, mean: float | None, state: State) -> dict[str, Value]:
        return {self.name: None if mean is None else math.sqrt(mean)}
