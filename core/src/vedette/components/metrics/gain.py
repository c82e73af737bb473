"""Share of the positives that the rows with the highest scores hold."""

from __future__ import annotations

from vedette.components.metrics._gains import GainMetric, check_cut, share_of_positives
from vedette.components.metrics._score_cells import Cells
from vedette.components.metrics._scores import Bounded, check_bins, check_error
from vedette_specs import Tags


class Gain(GainMetric):
    """Positives among the `at` share of rows with the highest probability / all positives, in [0, 1]; `at` is chance.

    at: share of the rows, above 0 up to 1.  bins: cells that scores are counted in, as of `roc_auc`: of the cell
    that the cut goes through, rows are taken in proportion, and the value is off by at most `details.bound`.
    max_error: a value that may be off by more is `insufficient`, for its error could make a rule alarm.
    weight: input column or attribute that weighs the rows.
    Not known without positives. Rows whose label or probabilities are missing or unknown are left out and counted.
    """

    name = "gain"
    tags = Tags(needs_labels=True, needs_probabilities=True, state_version=2)

    def __init__(self, at: float = 0.1, bins: int = 1000, weight: str | None = None, max_error: float = 0.05) -> None:
        self.at = check_cut(at, "gain")
        self.bins = check_bins(bins, "gain")
        self.weight = weight
        self.max_error = check_error(max_error, "gain")

    def measure(self, cells: Cells) -> Bounded | None:
        return share_of_positives(cells.counts[0], cells.counts[1], self.at, cells.tied)
