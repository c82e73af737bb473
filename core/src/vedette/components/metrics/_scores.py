"""Histograms of scores per class and label: the state of all metrics that a ranking by probability decides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Floats, Mask, Result, ResultContext, Schema, State
from vedette_specs.results import Value

Counts = NDArray[Any]  # (bins,) integers, or floats where rows weigh differently
Bounded = tuple[float, float]  # a value, and how far it may be off


class ScoreMetric(Weighted):
    """Counts of rows in equal bins of [0, 1], per class, for rows of the class and all others.

    For two classes the positive one is looked at, for more each against the rest, and values are their mean.
    """

    name: ClassVar[str]
    bins: int
    additive = ("counts",)

    @abstractmethod
    def measure(self, negative: Counts, positive: Counts) -> Bounded | None:
        """The value of one class from its (bins,) counts, and its bound; None where it is not defined."""

    def bind(self, schema: Schema) -> ScoreMetric:
        check_classes(schema, self.name)
        super().bind(schema)
        return self

    def create(self) -> State:
        return {"classes": [], "counts": np.zeros((0, 2, self.bins), dtype=np.int64), "n": 0, "left_out": 0}

    def add(self, state: State, batch: Batch) -> State:
        codes, probabilities, known, _ = scored_classes(batch, self.name)
        known, weights = self.weighed(batch, known)
        wanted = looked_at(batch.schema)
        counts = [self._histograms(probabilities[known, c], codes[known] == c, weights) for c in wanted]
        n = int(np.count_nonzero(known))
        part = {
            "classes": [batch.schema.classes[c] for c in wanted],
            "counts": np.array(counts).reshape(len(wanted), 2, self.bins),
            "n": n,
            "left_out": len(batch) - n,
        }
        return self.merge(state, part)

    def _histograms(self, scores: Floats, positive: Mask, weights: Floats | None) -> Counts:
        """(2, bins) counts of negatives and positives; scores outside [0, 1] fall into the outer bins."""
        place = (np.clip(scores, 0.0, 1.0) * self.bins).astype(np.intp)
        np.minimum(place, self.bins - 1, out=place)
        place += self.bins * positive
        return np.bincount(place, weights, 2 * self.bins).reshape(2, self.bins)

    def merge(self, left: State, right: State) -> State:
        totals = {key: left[key] + right[key] for key in ("n", "left_out")}
        if not left["classes"] or not right["classes"]:
            source = left if left["classes"] else right
            return {"classes": source["classes"], "counts": source["counts"], **totals}
        if left["classes"] != right["classes"]:
            raise ValueError(f"{self.name}: states of different classes: {left['classes']} and {right['classes']}")
        return {"classes": left["classes"], "counts": left["counts"] + right["counts"], **totals}

    def result(self, state: State, ctx: ResultContext) -> Result:
        found = {name: self.measure(*pair) for name, pair in zip(state["classes"], state["counts"], strict=True)}
        found = found or {self.schema.classes[c]: None for c in looked_at(self.schema)}
        known = [pair for pair in found.values() if pair is not None]
        values: dict[str, Value] = {self.name: float(np.mean([value for value, _ in known])) if known else None}
        if len(found) > 1:
            values[f"{self.name}_by_class"] = {c: None if pair is None else pair[0] for c, pair in found.items()}
        details: dict[str, Any] = {
            "bound": float(np.mean([bound for _, bound in known])) if known else None,
            "undefined": [name for name, pair in found.items() if pair is None],
            "left_out": state["left_out"],
        }
        return Result(values, state["n"], "ok" if known else "insufficient", details)


def check_bins(bins: int, who: str) -> int:
    """Raises ValueError where there are fewer than two."""
    if bins < 2:
        raise ValueError(f"{who}: bins is {bins}; allowed: 2 or more")
    return bins


def looked_at(schema: Schema) -> Sequence[int]:
    """Positions of the classes whose scores are counted."""
    return [schema.positive_index] if len(schema.classes) == 2 else range(len(schema.classes))
