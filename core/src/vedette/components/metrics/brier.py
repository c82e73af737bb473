"""Mean squared error of probabilities."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._means import Counted, MeanMetric
from vedette_specs import Batch, Floats, Schema, Tags


class Brier(MeanMetric):
    """Brier score. Two classes: mean of (p - y)^2 of the positive one, in [0, 1]; more: summed over them, in [0, 2].

    weight: input column or attribute that weighs the rows.
    0 is perfect; a constant 0.5 for two classes has 0.25. Rows whose label or probabilities are missing, or whose label
    is none of `schema.classes`, are left out and counted.
    Source: Brier, "Verification of forecasts expressed in terms of probability" (Monthly Weather Review 1950).
    """

    name = "brier"
    counters = ("unknown_class",)
    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def bind(self, schema: Schema) -> Brier:
        check_classes(schema, "brier")
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        codes, probabilities, known, unknown = scored_classes(batch, "brier")
        schema = batch.schema
        scores = np.full(len(batch), np.nan)
        if len(schema.classes) == 2:
            c = schema.positive_index
            scores[known] = (probabilities[known, c] - (codes[known] == c)) ** 2
        else:
            truth = np.eye(len(schema.classes))[codes[known]]
            scores[known] = ((probabilities[known] - truth) ** 2).sum(axis=1)
        return scores, {"unknown_class": unknown}
