"""By how much the model prefers its answer."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._row_scores import RowScore
from vedette_specs import Floats


class Margin(RowScore):
    """Probability of the likeliest class minus that of the next: mean (`margin`), `margin_sd`, `margin_q5`, `_q50`,
    `_q95`. Range [0, 1]; near 0 the answer could as well be another.

    bins: of the quantiles, which are too large by at most 1 / bins (`details.bound`).
    Rows with an unknown probability are left out and counted in `details.left_out`.
    Source: Scheffer, Decomain, Wrobel, "Active hidden Markov models for information extraction" (IDA 2001).
    """

    NAME = "margin"

    def scores(self, probabilities: Floats) -> Floats:
        if probabilities.shape[1] < 2:
            return probabilities[:, 0]
        ordered = np.partition(probabilities, -2, axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2])
