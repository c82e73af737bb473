"""Mean squared error."""

from __future__ import annotations

from vedette.components.metrics._regression import ErrorMetric
from vedette_specs import Floats, Tags


class Mse(ErrorMetric):
    """Mean of (label - prediction)^2, in the label's unit squared, from 0.

    weight: input column or attribute that weighs the rows.
    Rows whose label or prediction is missing or infinite are left out and counted in `details.left_out`.
    """

    name = "mse"
    tags = Tags(needs_labels=True, needs_prediction=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def errors(self, truth: Floats, answer: Floats) -> Floats:
        return (truth - answer) ** 2
