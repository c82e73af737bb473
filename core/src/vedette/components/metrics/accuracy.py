"""Share of predictions that equal their label."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._labels import check_classes, matching_codes, predicted
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags


class Accuracy(Metric):
    """Share of labelled rows that were predicted right, in [0, 1].

    Where only probabilities are known, the prediction is taken from them (threshold, or the likeliest class).
    Rows whose label or prediction is missing are left out and counted in `details.left_out`.
    """

    tags = Tags(needs_labels=True, needs_prediction=True)

    def bind(self, schema: Schema) -> Accuracy:
        check_classes(schema, "accuracy")
        return super().bind(schema)

    def create(self) -> State:
        return {"correct": 0, "n": 0, "left_out": 0}

    def add(self, state: State, batch: Batch) -> State:
        prediction = predicted(batch)
        if batch.labels is None or prediction is None:
            return {**state, "left_out": state["left_out"] + len(batch)}
        truth, answer = matching_codes(batch.labels, prediction)
        known = (truth >= 0) & (answer >= 0)
        n = int(np.count_nonzero(known))
        return {
            "correct": state["correct"] + int(np.count_nonzero((truth == answer) & known)),
            "n": state["n"] + n,
            "left_out": state["left_out"] + len(batch) - n,
        }

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n = state["n"]
        return Result(
            {"accuracy": state["correct"] / n if n else None},
            n,
            "ok" if n else "insufficient",
            {"left_out": state["left_out"]},
        )
