"""How often which class was taken for which."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from vedette.components.metrics._confusion import ConfusionMetric, Sums
from vedette.components.metrics._labels import Codes
from vedette_specs import Floats, Schema, State, Tags
from vedette_specs.results import Value

OTHER = "(other)"  # row and column of what is none of the classes
Share = Literal["label", "prediction", "all"]


class ConfusionMatrix(ConfusionMetric):
    """Rows by label and prediction: `confusion_matrix` has ``"label -> prediction"`` for each pair of classes.

    share: None gives counts of rows; `label` shares of the rows with that label, `prediction` of those with that
    prediction, `all` of all rows.  weight: input column or attribute that weighs the rows.
    `details.matrix` has the counts as a table, rows are labels in the order of `details.classes`, the last of which
    stands for all that is none of `schema.classes`. Rows whose label or prediction is missing are left out and counted.
    Up to 50 classes.
    """

    name = "confusion_matrix"
    tags = Tags(needs_labels=True)
    MAX_CLASSES = 50

    def __init__(self, share: Share | None = None, weight: str | None = None) -> None:
        self.share = share
        self.weight = weight

    def bind(self, schema: Schema) -> ConfusionMatrix:
        super().bind(schema)
        if len(schema.classes) > self.MAX_CLASSES:
            raise ValueError(
                f"confusion_matrix: schema.classes has {len(schema.classes)} classes; allowed: up to "
                f"{self.MAX_CLASSES}. precision and recall with average: by_class take any number"
            )
        return self

    def sums(self, truth: Codes, answer: Codes, weights: Floats | None, k: int) -> Sums:
        cells = np.bincount(truth.astype(np.intp) * (k + 1) + answer, weights, (k + 1) ** 2)
        return {"matrix": cells.reshape(k + 1, k + 1)}

    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        classes = state["classes"] or list(self.schema.classes)
        k = len(classes)
        counts = state["sums"].get("matrix", np.zeros((k + 1, k + 1)))
        shown = self._shares(np.asarray(counts, dtype=np.float64)) if state["n"] else np.full((k + 1, k + 1), np.nan)
        pairs = [(i, j) for i in range(k) for j in range(k)]
        cells = {
            f"{classes[i]} -> {classes[j]}": None if np.isnan(shown[i, j]) else float(shown[i, j]) for i, j in pairs
        }
        return {self.name: cells}, {"classes": [*classes, OTHER], "matrix": counts.tolist()}

    def _shares(self, counts: Floats) -> Floats:
        if self.share is None:
            return counts
        axis = {"label": 1, "prediction": 0, "all": None}[self.share]
        whole = np.broadcast_to(counts.sum(axis=axis, keepdims=True), counts.shape)
        return np.asarray(np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0.0))
