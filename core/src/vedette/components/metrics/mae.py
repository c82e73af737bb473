"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._regression import ErrorMetric
from vedette_specs import Floats, Tags


class Mae(ErrorMetric):
    """Mean of |label - prediction|, in the label's unit, from 0.

    weight: input column or attribute that weighs the rows.
    Rows whose label or prediction is missing or infinite are left out and counted in `details.left_out`.
    """

    name = "mae"
    tags = Tags(needs_labels=True, needs_prediction=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def errors(self, truth: Floats, answer: Floats) -> Floats:
        return np.abs(truth - answer)
