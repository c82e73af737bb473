"""Mean absolute error in proportion to the label."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._means import Counted
from vedette.components.metrics._regression import ErrorMetric, truth_and_answer
from vedette_specs import Batch, Floats, Tags


class Mape(ErrorMetric):
    """Mean of |label - prediction| / |label|, as a ratio (0.1 is ten per cent), from 0.

    weight: input column or attribute that weighs the rows.
    A label of 0 has no proportion: such rows are left out and counted in `details.zero_labels` (scikit-learn divides by
    2.2e-16 instead, and one row is all that the mean then shows). Rows whose label or prediction is missing or infinite
    are left out and, with the former, counted in `details.left_out`.
    """

    name = "mape"
    counters = ("zero_labels",)
    tags = Tags(needs_labels=True, needs_prediction=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        truth, answer = truth_and_answer(batch)
        return self.errors(truth, answer), {"zero_labels": int(np.count_nonzero(truth == 0.0))}

    def errors(self, truth: Floats, answer: Floats) -> Floats:
        size = np.where(truth == 0.0, np.nan, np.abs(truth))
        return np.abs(truth - answer) / size
