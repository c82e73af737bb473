"""Area under the precision-recall curve from counts by score, with a certified error bound."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._score_cells import Cells, Counts
from vedette.components.metrics._scores import Bounded, ScoreMetric, check_bins, check_error
from vedette_specs import Mask, Tags


class AveragePrecision(ScoreMetric):
    """Mean precision over the positives, each at its own score; for several classes the mean over one-versus-rest.

    bins: cells that scores are counted in, per class, as of `roc_auc`. Scores in one cell count as equal, so the value
    is off by at most `details.bound`, which holds for every order that the rows of a cell can have.
    max_error: a value that may be off by more is `insufficient`, for its error could make a rule alarm.
    weight: input column or attribute that weighs the rows.
    A class of which there are no rows has none: it is named in `details.undefined` and left out of the mean. Rows whose
    label or probabilities are missing or unknown are left out and counted.
    Source: Davis, Goadrich, "The relationship between precision-recall and ROC curves" (ICML 2006).
    """

    name = "average_precision"
    tags = Tags(needs_labels=True, needs_probabilities=True, state_version=2)

    def __init__(self, bins: int = 1000, weight: str | None = None, max_error: float = 0.05) -> None:
        self.bins = check_bins(bins, "average_precision")
        self.weight = weight
        self.max_error = check_error(max_error, "average_precision")

    def measure(self, cells: Cells) -> Bounded | None:
        return area_under_precision(cells.counts[0], cells.counts[1], cells.tied)


def area_under_precision(negative: Counts, positive: Counts, tied: Mask | None = None) -> Bounded | None:
    """Average precision and its bound from (m,) counts; None without positives.

    tied: (m,) cells whose rows do have one score; they are known exactly.
    Above a cell stand T positives and F negatives. At best its p positives come before its n negatives, and each adds
    at most ``(T + p) / (T + F + p)``; at worst after them, and they add ``sum_i (T + i) / (T + F + n + i)`` or more,
    which is at least ``p - (F + n) ln(1 + p / (T + F + n))``.
    """
    total = float(positive.sum())
    if total == 0.0:
        return None
    p, n = positive[::-1].astype(np.float64), negative[::-1].astype(np.float64)
    has = p > 0.0
    above_p, above_n = (np.cumsum(p) - p)[has], (np.cumsum(n) - n)[has]
    p, n = p[has], n[has]
    exact = np.zeros(len(p), dtype=bool) if tied is None else tied[::-1][has]
    each = p * (above_p + p) / (above_p + above_n + p + n)
    value = float(each.sum()) / total
    best = float(np.where(exact, each, p * (above_p + p) / (above_p + above_n + p)).sum()) / total
    before = above_p + above_n + n
    late = np.log1p(np.divide(p, before, out=np.zeros_like(p), where=before > 0.0))
    worst = float(np.where(exact, each, p - (above_n + n) * late).sum()) / total
    return value, max(best - value, value - worst, 0.0)
