"""Area under the ROC curve from score histograms, with a certified error bound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._labels import check_classes, class_codes, class_probabilities
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags
from vedette_specs.results import Value

Counts = NDArray[np.int64]


class RocAuc(Metric):
    """Area under the ROC curve; for several classes the mean of one-versus-rest areas (macro).

    bins: equal bins of [0, 1] that probabilities are counted in, per class.  The area counts pairs within a bin
    as ties, so it is off by at most ``sum_b P_b N_b / (2 P N)``, given in `details.bound` (5e-4 with 1000 bins and
    spread scores; larger when scores crowd into few bins, which more bins mend).
    A class of which there are no rows, or nothing else, has no area: it is named in `details.undefined` and left out
    of the mean. Rows whose label or probabilities are missing or unknown are left out and counted.
    """

    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, bins: int = 1000) -> None:
        if bins < 2:
            raise ValueError(f"roc_auc: bins is {bins}; allowed: 2 or more")
        self.bins = bins

    def bind(self, schema: Schema) -> RocAuc:
        check_classes(schema, "roc_auc")
        return super().bind(schema)

    def create(self) -> State:
        return {"classes": [], "counts": np.zeros((0, 2, self.bins), dtype=np.int64), "n": 0, "left_out": 0}

    def add(self, state: State, batch: Batch) -> State:
        probabilities = class_probabilities(batch, "roc_auc")
        schema = batch.schema
        codes = class_codes(batch.labels, schema.classes, len(batch))
        known = (codes >= 0) & (codes < len(schema.classes)) & np.isfinite(probabilities).all(axis=1)
        wanted = [schema.positive_index] if len(schema.classes) == 2 else list(range(len(schema.classes)))
        counts = [self._histograms(probabilities[known, c], codes[known] == c) for c in wanted]
        n = int(np.count_nonzero(known))
        part = {
            "classes": [schema.classes[c] for c in wanted],
            "counts": np.array(counts, dtype=np.int64).reshape(len(wanted), 2, self.bins),
            "n": n,
            "left_out": len(batch) - n,
        }
        return self.merge(state, part)

    def _histograms(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> Counts:
        """(2, bins) counts of negatives and positives; scores outside [0, 1] fall into the outer bins."""
        place = (np.clip(scores, 0.0, 1.0) * self.bins).astype(np.intp)
        np.minimum(place, self.bins - 1, out=place)
        place += self.bins * positive
        return np.bincount(place, minlength=2 * self.bins).reshape(2, self.bins).astype(np.int64)

    def merge(self, left: State, right: State) -> State:
        totals = {key: left[key] + right[key] for key in ("n", "left_out")}
        if not left["classes"] or not right["classes"]:
            source = left if left["classes"] else right
            return {"classes": source["classes"], "counts": source["counts"], **totals}
        if left["classes"] != right["classes"]:
            raise ValueError(f"roc_auc: states of different classes: {left['classes']} and {right['classes']}")
        return {"classes": left["classes"], "counts": left["counts"] + right["counts"], **totals}

    def result(self, state: State, ctx: ResultContext) -> Result:
        areas = {name: area_under_roc(*pair) for name, pair in zip(state["classes"], state["counts"], strict=True)}
        known = [area for area in areas.values() if area is not None]
        values: dict[str, Value] = {"roc_auc": float(np.mean([a for a, _ in known])) if known else None}
        if len(areas) > 1:
            values["roc_auc_by_class"] = {name: None if area is None else area[0] for name, area in areas.items()}
        details: dict[str, Any] = {
            "bound": float(np.mean([bound for _, bound in known])) if known else None,
            "undefined": [name for name, area in areas.items() if area is None],
            "left_out": state["left_out"],
        }
        return Result(values, state["n"], "ok" if known else "insufficient", details)


def area_under_roc(negative: Counts, positive: Counts) -> tuple[float, float] | None:
    """Area and its bound ``sum_b P_b N_b / (2 P N)`` from (bins,) counts; None where one side has no rows."""
    pairs = float(negative.sum()) * float(positive.sum())
    if pairs == 0.0:
        return None
    below = np.cumsum(negative) - negative
    ties = float(np.dot(positive.astype(np.float64), negative.astype(np.float64)))
    wins = float(np.dot(positive.astype(np.float64), below.astype(np.float64)))
    return (wins + ties / 2.0) / pairs, ties / (2.0 * pairs)
