"""Coefficient of determination."""

from __future__ import annotations

from vedette.components.metrics._residuals import ExplainedMetric
from vedette_specs import State, Tags


class R2(ExplainedMetric):
    """1 - sum (label - prediction)^2 / sum (label - mean label)^2; 1 is perfect, 0 as good as the mean, below 0 worse.

    weight: input column or attribute that weighs the rows.
    Not known while all labels are equal (scikit-learn answers 1 or 0 there). Rows whose label or prediction is missing
    or infinite are left out and counted in `details.left_out`.
    """

    name = "r2"
    tags = Tags(needs_labels=True, needs_prediction=True, state_version=2)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def unexplained(self, state: State) -> float:
        return float(state["m2"][1] + state["weight"] * (state["mean"][1] + state["rest"][1]) ** 2)
