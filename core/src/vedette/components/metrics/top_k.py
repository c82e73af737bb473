"""Share of labels among the likeliest classes."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._means import Counted, MeanMetric
from vedette_specs import Batch, Floats, Schema, Tags


class TopK(MeanMetric):
    """Share of rows whose label is among the k classes with the highest probabilities, in [0, 1].

    k: how many.  weight: input column or attribute that weighs the rows.
    Of equal probabilities that of the later class counts as higher, as in scikit-learn. Rows whose label or
    probabilities are missing, or whose label is none of `schema.classes`, are left out and counted.
    """

    name = "top_k"
    share = True
    counters = ("unknown_class",)
    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, k: int = 5, weight: str | None = None) -> None:
        if k < 1:
            raise ValueError(f"top_k: k is {k}; allowed: 1 or more")
        self.k = k
        self.weight = weight

    def bind(self, schema: Schema) -> TopK:
        check_classes(schema, "top_k")
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        codes, probabilities, known, unknown = scored_classes(batch, "top_k")
        p, code = probabilities[known], codes[known][:, None]
        own = np.take_along_axis(p, code, axis=1)
        later = np.arange(p.shape[1]) > code
        before = ((p > own) | ((p == own) & later)).sum(axis=1)
        hits = np.full(len(batch), np.nan)
        hits[known] = before < self.k
        return hits, {"unknown_class": unknown}
