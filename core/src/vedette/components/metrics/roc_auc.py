"""Area under the ROC curve from score histograms, with a certified error bound."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vedette.components.metrics._confusion import rows_of_mean
from vedette.components.metrics._scores import Bounded, Counts, ScoreMetric, check_bins
from vedette_specs import State, Tags


class RocAuc(ScoreMetric):
    """Area under the ROC curve; for several classes the mean of one-versus-rest areas (macro).

    bins: equal bins of [0, 1] that probabilities are counted in, per class.  The area counts pairs within a bin
    as ties, so it is off by at most ``sum_b P_b N_b / (2 P N)``, given in `details.bound` (5e-4 with 1000 bins and
    spread scores; larger when scores crowd into few bins, which more bins mend).
    weight: input column or attribute that weighs the rows.
    A class of which there are no rows, or nothing else, has no area: it is named in `details.undefined` and left out
    of the mean. Rows whose label or probabilities are missing or unknown are left out and counted.
    """

    name = "roc_auc"
    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, bins: int = 1000, weight: str | None = None) -> None:
        self.bins = check_bins(bins, "roc_auc")
        self.weight = weight

    def shares(self, state: State) -> dict[str, float | Mapping[str, float]]:
        """An area varies about as a share of twice as many rows as its rarer side has, if scores are spread smoothly.

        Source: Hanley, McNeil, "The meaning and use of the area under a ROC curve" (1982).
        """
        sides = state["counts"].sum(axis=2)  # (classes, 2)
        total = float(sides[0].sum()) if len(sides) else 0.0
        rows = 2.0 * sides.min(axis=1) * (state["n"] / total if total else 0.0)
        found: dict[str, float | Mapping[str, float]] = {self.name: min(rows_of_mean(rows), state["n"])}
        if len(rows) > 1:
            found[f"{self.name}_by_class"] = dict(zip(state["classes"], rows.tolist(), strict=True))
        return found

    def measure(self, negative: Counts, positive: Counts) -> Bounded | None:
        return area_under_roc(negative, positive)


def area_under_roc(negative: Counts, positive: Counts) -> Bounded | None:
    """Area and its bound ``sum_b P_b N_b / (2 P N)`` from (bins,) counts; None where one side has no rows."""
    pairs = float(negative.sum()) * float(positive.sum())
    if pairs == 0.0:
        return None
    below = np.cumsum(negative) - negative
    ties = float(np.dot(positive.astype(np.float64), negative.astype(np.float64)))
    wins = float(np.dot(positive.astype(np.float64), below.astype(np.float64)))
    return (wins + ties / 2.0) / pairs, ties / (2.0 * pairs)
