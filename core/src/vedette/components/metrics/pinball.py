"""Loss of predicted quantiles."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._regression import ErrorMetric
from vedette_specs import Floats, Tags


class Pinball(ErrorMetric):
    """Mean pinball loss of predictions of the q-quantile, in the label's unit, from 0; half the MAE for q = 0.5.

    ``q e`` where the label is above the prediction by e, ``(1 - q) e`` where it is below by e.
    q: level in [0, 1] that the model predicts.  weight: input column or attribute that weighs the rows.
    Rows whose label or prediction is missing or infinite are left out and counted in `details.left_out`.
    Source: Koenker, Bassett, "Regression quantiles" (Econometrica 1978).
    """

    name = "pinball"
    tags = Tags(needs_labels=True, needs_prediction=True)

    def __init__(self, q: float = 0.5, weight: str | None = None) -> None:
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"pinball: q is {q}; allowed: 0 to 1")
        self.q = q
        self.weight = weight

    def errors(self, truth: Floats, answer: Floats) -> Floats:
        above = truth - answer
        return np.maximum(self.q * above, (self.q - 1.0) * above)
