"""Share of the labels' variance that the predictions explain."""

from __future__ import annotations

from vedette.components.metrics._residuals import ExplainedMetric
from vedette_specs import State, Tags


class ExplainedVariance(ExplainedMetric):
    """1 - Var(label - prediction) / Var(label): like `r2`, but blind for a constant offset; 1 is perfect.

    weight: input column or attribute that weighs the rows.
    Not known while all labels are equal (scikit-learn answers 1 or 0 there). Rows whose label or prediction is missing
    or infinite are left out and counted in `details.left_out`.
    """

    name = "explained_variance"
    tags = Tags(needs_labels=True, needs_prediction=True, state_version=2)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def unexplained(self, state: State) -> float:
        return float(state["m2"][1])
