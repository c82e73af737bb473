"""Mean negative log-likelihood of the labels."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._means import Counted, MeanMetric
from vedette_specs import Batch, Floats, Schema, Tags

_EPS = float(np.finfo(np.float64).eps)


class LogLoss(MeanMetric):
    """Mean of -ln(probability given to the label's class), in nats; 0 is perfect.

    weight: input column or attribute that weighs the rows.
    Probabilities are clipped to [eps, 1 - eps], eps = 2.2e-16, as scikit-learn does. Rows whose label or
    probabilities are missing, or whose label is none of `schema.classes`, are left out and counted.
    """

    name = "log_loss"
    counters = ("unknown_class",)
    tags = Tags(needs_labels=True, needs_probabilities=True, state_version=2)

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight

    def bind(self, schema: Schema) -> LogLoss:
        check_classes(schema, "log_loss")
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        codes, probabilities, known, unknown = scored_classes(batch, "log_loss")
        losses = np.full(len(batch), np.nan)
        losses[known] = -np.log(np.clip(probabilities[known, codes[known]], _EPS, 1.0 - _EPS))
        return losses, {"unknown_class": unknown}
