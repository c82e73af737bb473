"""Share of predictions that equal their label."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, matching_codes, predicted
from vedette.components.metrics._means import Counted, MeanMetric
from vedette_specs import Batch, Floats, Schema, Tags


class Accuracy(MeanMetric):
    """Share of labelled rows that were predicted right, in [0, 1].

    weight: input column or attribute that weighs the rows.
    Where only probabilities are known, the prediction is taken from them (threshold, or the likeliest class).
    Rows whose label or prediction is missing are left out and counted in `details.left_out`.
    """

    name = "accuracy"
    share = True
    tags = Tags(needs_labels=True, needs_prediction=True, state_version=2)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def bind(self, schema: Schema) -> Accuracy:
        check_classes(schema, "accuracy")
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        prediction = predicted(batch)
        if batch.labels is None or prediction is None:
            return np.full(len(batch), np.nan), {}
        truth, answer = matching_codes(batch.labels, prediction)
        return np.where((truth >= 0) & (answer >= 0), truth == answer, np.nan), {}
