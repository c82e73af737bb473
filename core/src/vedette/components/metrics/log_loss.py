"""Mean negative log-likelihood of the labels."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, class_codes, class_probabilities
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags

_EPS = float(np.finfo(np.float64).eps)


class LogLoss(Metric):
    """Mean of -ln(probability given to the label's class), in nats; 0 is perfect.

    Probabilities are clipped to [eps, 1 - eps], eps = 2.2e-16, as scikit-learn does. Rows whose label or
    probabilities are missing, or whose label is none of `schema.classes`, are left out and counted.
    """

    tags = Tags(needs_labels=True, needs_probabilities=True)

    def bind(self, schema: Schema) -> LogLoss:
        check_classes(schema, "log_loss")
        return super().bind(schema)

    def create(self) -> State:
        return {"loss": 0.0, "n": 0, "left_out": 0, "unknown_class": 0}

    def add(self, state: State, batch: Batch) -> State:
        probabilities = class_probabilities(batch, "log_loss")
        classes = batch.schema.classes
        codes = class_codes(batch.labels, classes, len(batch))
        known = (codes >= 0) & (codes < len(classes)) & np.isfinite(probabilities).all(axis=1)
        given = np.clip(probabilities[known, codes[known]], _EPS, 1.0 - _EPS)
        return {
            "loss": state["loss"] - float(np.log(given).sum()),
            "n": state["n"] + len(given),
            "left_out": state["left_out"] + len(batch) - len(given),
            "unknown_class": state["unknown_class"] + int(np.count_nonzero(codes == len(classes))),
        }

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n = state["n"]
        details = {"left_out": state["left_out"], "unknown_class": state["unknown_class"]}
        return Result({"log_loss": state["loss"] / n if n else None}, n, "ok" if n else "insufficient", details)
