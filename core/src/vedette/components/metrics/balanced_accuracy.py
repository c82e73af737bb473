"""Accuracy in which every class counts the same."""

from __future__ import annotations

from typing import Any

from vedette.components.metrics._confusion import ConfusionMetric, mean_of_known, ratios, rows_of_mean
from vedette_specs import State, Tags
from vedette_specs.results import Value


class BalancedAccuracy(ConfusionMetric):
    """Mean of the classes' recalls, in [0, 1]; 1 / classes is chance.

    weight: input column or attribute that weighs the rows.
    Classes without labels have no recall: they are named in `details.undefined` and left out of the mean. Rows whose
    label or prediction is missing are left out and counted in `details.left_out`.
    Source: Brodersen, Ong, Stephan, Buhmann, "The balanced accuracy and its posterior distribution" (ICPR 2010).
    """

    name = "balanced_accuracy"
    tags = Tags(needs_labels=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def shares(self, state: State) -> dict[str, float]:
        return {self.name: rows_of_mean(self.margins(state).labelled * self.rows_of_weight(state))}

    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        counts = self.margins(state)
        recalls = ratios(counts.right, counts.labelled)
        undefined = [name for name, recall in counts.by_class(recalls).items() if recall is None]
        return {self.name: mean_of_known(recalls)}, {"recall": counts.by_class(recalls), "undefined": undefined}
