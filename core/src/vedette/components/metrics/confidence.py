"""How sure the model is of its answer."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._row_scores import RowScore
from vedette_specs import Floats


class Confidence(RowScore):
    """Probability of the likeliest class: mean (`confidence`), `confidence_sd`, `confidence_q5`, `_q50`, `_q95`.

    Range [1 / classes, 1].  bins: of the quantiles, which are too large by at most 1 / bins (`details.bound`).
    Rows with an unknown probability are left out and counted in `details.left_out`.
    Source: Hendrycks, Gimpel, "A baseline for detecting misclassified and out-of-distribution examples" (ICLR 2017).
    """

    NAME = "confidence"

    def scores(self, probabilities: Floats) -> Floats:
        return np.asarray(probabilities.max(axis=1))
