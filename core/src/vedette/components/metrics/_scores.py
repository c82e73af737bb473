"""Counts of scores per class and label: the state of all metrics that a ranking by probability decides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._score_cells import MOST_BINS, Cells, count_cells, merge_cells
from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Result, ResultContext, Schema, State
from vedette_specs.results import Value

Bounded = tuple[float, float]  # a value, and how far it may be off


class ScoreMetric(Weighted):
    """Counts of rows by score in at most `bins` cells (see `_score_cells`), for rows of a class and all others.

    For two classes the positive one is looked at, for more each against the rest, and values are their mean.
    """

    name: ClassVar[str]
    bins: int
    max_error: float
    additive = ("counts",)

    @abstractmethod
    def measure(self, cells: Cells) -> Bounded | None:
        """The value of one class and its bound; None where it is not defined."""

    @property
    def _widest(self) -> float:
        """The bound beyond which a value is for people to read, not for rules to alarm by."""
        return self.max_error

    def bind(self, schema: Schema) -> ScoreMetric:
        check_classes(schema, self.name)
        super().bind(schema)
        return self

    def create(self) -> State:
        """levels, sizes: (classes,).  keys: (m,), counts: (2, m): the cells of all classes one after the other."""
        return {"classes": [], **_packed([]), "n": 0, "left_out": 0}

    def add(self, state: State, batch: Batch) -> State:
        codes, probabilities, known, _ = scored_classes(batch, self.name)
        known, weights = self.weighed(batch, known)
        wanted = looked_at(batch.schema)
        cells = [count_cells(probabilities[known, c], codes[known] == c, weights, self.bins) for c in wanted]
        n = int(np.count_nonzero(known))
        classes = [batch.schema.classes[c] for c in wanted]
        return self.merge(state, {"classes": classes, **_packed(cells), "n": n, "left_out": len(batch) - n})

    def merge(self, left: State, right: State) -> State:
        totals = {key: left[key] + right[key] for key in ("n", "left_out")}
        if not left["classes"] or not right["classes"]:
            return {**(left if left["classes"] else right), **totals}
        if left["classes"] != right["classes"]:
            raise ValueError(f"{self.name}: states of different classes: {left['classes']} and {right['classes']}")
        pairs = zip(_unpacked(left), _unpacked(right), strict=True)
        cells = [merge_cells(*pair, self.bins) for pair in pairs]
        return {"classes": left["classes"], **_packed(cells), **totals}

    def result(self, state: State, ctx: ResultContext) -> Result:
        cells = zip(state["classes"], _unpacked(state), strict=True)
        found = {name: self.measure(one) for name, one in cells}
        found = found or {self.schema.classes[c]: None for c in looked_at(self.schema)}
        known = [pair for pair in found.values() if pair is not None]
        values: dict[str, Value] = {self.name: float(np.mean([value for value, _ in known])) if known else None}
        if len(found) > 1:
            values[f"{self.name}_by_class"] = {c: None if pair is None else pair[0] for c, pair in found.items()}
        bound = float(np.mean([bound for _, bound in known])) if known else None
        details: dict[str, Any] = {
            "bound": bound,
            "undefined": [name for name, pair in found.items() if pair is None],
            "left_out": state["left_out"],
        }
        vague = bound is not None and bound > self._widest
        if vague:
            details["reason"] = (
                f"{self.name} may be off by {bound:.2g}, more than max_error allows ({self._widest:.2g}): "
                f"scores crowd, or many are equal, within some of {self.bins} bins"
            )
        return Result(values, state["n"], "ok" if known and not vague else "insufficient", details)


def _packed(cells: Sequence[Cells]) -> State:
    return {
        "levels": np.array([one.level for one in cells], dtype=np.int64),
        "sizes": np.array([len(one.keys) for one in cells], dtype=np.int64),
        "keys": np.concatenate([np.zeros(0, dtype=np.int64), *(one.keys for one in cells)]),
        "counts": np.concatenate([np.zeros((2, 0), dtype=np.int64), *(one.counts for one in cells)], axis=1),
    }


def _unpacked(state: State) -> list[Cells]:
    if not state["classes"]:
        return []
    ends = np.cumsum(state["sizes"])[:-1]
    parts = state["levels"].tolist(), np.split(state["keys"], ends), np.split(state["counts"], ends, axis=1)
    return [Cells(*part) for part in zip(*parts, strict=True)]


def check_bins(bins: int, who: str) -> int:
    """Raises ValueError where there are fewer than two, or more than a state can hold."""
    if not 2 <= bins <= MOST_BINS:
        raise ValueError(f"{who}: bins is {bins}; allowed: 2 or more, up to {MOST_BINS}")
    return bins


def check_error(max_error: float, who: str) -> float:
    """Raises ValueError where it is not a share above 0."""
    if not 0.0 < max_error <= 1.0:
        raise ValueError(f"{who}: max_error is {max_error}; allowed: above 0, up to 1 (which any value keeps to)")
    return max_error


def looked_at(schema: Schema) -> Sequence[int]:
    """Positions of the classes whose scores are counted."""
    return [schema.positive_index] if len(schema.classes) == 2 else range(len(schema.classes))
