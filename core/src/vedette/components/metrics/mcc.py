"""Correlation of labels and predictions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vedette.components.metrics._confusion import ConfusionMetric
from vedette_specs import State, Tags
from vedette_specs.results import Value


class Mcc(ConfusionMetric):
    """Matthews' correlation coefficient, for several classes in Gorodkin's form: in [-1, 1], 0 is chance.

    weight: input column or attribute that weighs the rows.
    Not known while all labels, or all predictions, are of one class (scikit-learn answers 0 there). Rows whose label or
    prediction is missing are left out and counted in `details.left_out`.
    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004).
    """

    name = "mcc"
    tags = Tags(needs_labels=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        return {self.name: self._coefficient(state)}, {}

    def _coefficient(self, state: State) -> float | None:
        sums = state["sums"]
        if not sums or min(np.count_nonzero(sums["labelled"]), np.count_nonzero(sums["answered"])) < 2:
            return None
        total = float(sums["labelled"].sum())
        labelled, answered = sums["labelled"] / total, sums["answered"] / total
        agreed = float((sums["right"] / total).sum() - labelled[:-1] @ answered[:-1])  # undeclared ones never agree
        spread = (1.0 - float(labelled @ labelled)) * (1.0 - float(answered @ answered))
        return agreed / math.sqrt(spread) if spread > 0.0 else None
