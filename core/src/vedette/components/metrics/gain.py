"""Share of the positives that the rows with the highest scores hold."""

from __future__ import annotations

from vedette.components.metrics._gains import GainMetric, check_cut, share_of_positives
from vedette.components.metrics._scores import Bounded, Counts, check_bins
from vedette_specs import Tags


class Gain(GainMetric):
    """Positives among the `at` share of rows with the highest probability / all positives, in [0, 1]; `at` is chance.

    at: share of the rows, above 0 up to 1.  bins: equal bins of [0, 1] that probabilities are counted in: of the bin
    that the cut goes through, rows are taken in proportion, and the value is off by at most `details.bound`.
    weight: input column or attribute that weighs the rows.
    Not known without positives. Rows whose label or probabilities are missing or unknown are left out and counted.
    """

    name = "gain"
    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, at: float = 0.1, bins: int = 1000, weight: str | None = None) -> None:
        self.at = check_cut(at, "gain")
        self.bins = check_bins(bins, "gain")
        self.weight = weight

    def measure(self, negative: Counts, positive: Counts) -> Bounded | None:
        return share_of_positives(negative, positive, self.at)
