"""How undecided the model is between all classes."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._row_scores import RowScore
from vedette_specs import Floats


class PredictionEntropy(RowScore):
    """Shannon entropy of each row's probabilities divided by ln(classes): mean (`prediction_entropy`),
    `prediction_entropy_sd`, `prediction_entropy_q5`, `_q50`, `_q95`. Range [0, 1]: 0 sure, 1 all classes alike.

    bins: of the quantiles, which are too large by at most 1 / bins (`details.bound`).
    Probabilities are clipped at 0 and divided by their sum; rows with an unknown one are left out and counted in
    `details.left_out`.
    """

    NAME = "prediction_entropy"

    def scores(self, probabilities: Floats) -> Floats:
        p = np.clip(probabilities, 0.0, None)
        total = p.sum(axis=1, keepdims=True)
        shares = np.divide(p, total, out=np.full_like(p, 1.0 / p.shape[1]), where=total > 0)
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        return np.asarray(-(shares * logs).sum(axis=1) / np.log(max(p.shape[1], 2)))
