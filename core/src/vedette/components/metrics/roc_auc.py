"""Area under the ROC curve from counts by score, with a certified error bound."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._score_cells import Cells, Counts
from vedette.components.metrics._scores import Bounded, ScoreMetric, check_bins, check_error
from vedette_specs import Mask, Tags


class RocAuc(ScoreMetric):
    """Area under the ROC curve; for several classes the mean of one-versus-rest areas (macro).

    bins: cells that scores are counted in, per class. Up to as many different scores are told apart exactly; more fall
    into cells as fine as fits, equal in probability and in log-odds, so that crowded scores of rare classes are ranked
    as well.  The area counts pairs within a cell as ties, so it is off by at most ``sum_b P_b N_b / (2 P N)``, given
    in `details.bound` (4e-4 with 1000 bins and spread scores).
    max_error: a value that may be off by more is `insufficient`, for its error could make a rule alarm.
    weight: input column or attribute that weighs the rows.
    A class of which there are no rows, or nothing else, has no area: it is named in `details.undefined` and left out
    of the mean. Rows whose label or probabilities are missing or unknown are left out and counted.
    """

    name = "roc_auc"
    tags = Tags(needs_labels=True, needs_probabilities=True, state_version=2)

    def __init__(self, bins: int = 1000, weight: str | None = None, max_error: float = 0.05) -> None:
        self.bins = check_bins(bins, "roc_auc")
        self.weight = weight
        self.max_error = check_error(max_error, "roc_auc")

    def measure(self, cells: Cells) -> Bounded | None:
        return area_under_roc(cells.counts[0], cells.counts[1], cells.tied)


def area_under_roc(negative: Counts, positive: Counts, tied: Mask | None = None) -> Bounded | None:
    """Area and its bound ``sum_b P_b N_b / (2 P N)`` from (m,) counts; None where one side has no rows.

    tied: (m,) cells whose rows do have one score; they are left out of the bound.
    """
    pairs = float(negative.sum()) * float(positive.sum())
    if pairs == 0.0:
        return None
    below = np.cumsum(negative) - negative
    within = positive.astype(np.float64) * negative.astype(np.float64)
    ties = float(within.sum())
    unknown = ties if tied is None else float(within[~tied].sum())
    wins = float(np.dot(positive.astype(np.float64), below.astype(np.float64)))
    return (wins + ties / 2.0) / pairs, unknown / (2.0 * pairs)
