"""Metrics on one number in [0, 1] per row that the probabilities give."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._labels import check_classes, class_probabilities
from vedette.components.metrics.moments import Moments, moments_of
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, Schema, State, Tags
from vedette_specs.results import Value

_LEVELS = {"q5": 0.05, "q50": 0.5, "q95": 0.95}


class RowScore(Metric):
    """Of the score of each row: its mean under its own name, `<name>_sd` (n - 1), and `<name>_q5`, `_q50`, `_q95`.

    Mean and spread are exact; a quantile is the upper end of the bin (of `bins` equal ones of [0, 1]) that holds the
    value with that rank, so it is too large by at most `details.bound` = 1 / bins. Merging is exact.
    """

    NAME: ClassVar[str]
    tags = Tags(needs_probabilities=True)

    def __init__(self, bins: int = 200) -> None:
        if not 2 <= bins <= 100_000:
            raise ValueError(f"{self.NAME}: bins is {bins}; allowed: 2 to 100000")
        self.bins = bins

    @abstractmethod
    def scores(self, probabilities: Floats) -> Floats:
        """(n,) scores in [0, 1] of (n, classes) finite probabilities."""

    def bind(self, schema: Schema) -> RowScore:
        check_classes(schema, self.NAME)
        return super().bind(schema)

    def create(self) -> State:
        return {"moments": Moments().create(), "counts": np.zeros(self.bins, dtype=np.int64)}

    def add(self, state: State, batch: Batch) -> State:
        probabilities = class_probabilities(batch, self.NAME)
        known = np.isfinite(probabilities).all(axis=1)
        x = np.full(len(batch), np.nan)
        x[known] = np.clip(self.scores(probabilities[known]), 0.0, 1.0)
        place = np.minimum((x[known] * self.bins).astype(np.intp), self.bins - 1)
        return self.merge(
            state,
            {
                "moments": moments_of(len(batch), [self.NAME], x[None, :]),
                "counts": np.bincount(place, minlength=self.bins).astype(np.int64),
            },
        )

    def merge(self, left: State, right: State) -> State:
        moments = Moments().merge(left["moments"], right["moments"])
        return {"moments": moments, "counts": left["counts"] + right["counts"]}

    def result(self, state: State, ctx: ResultContext) -> Result:
        name, counts = self.NAME, state["counts"]
        n = int(counts.sum())
        details: dict[str, Any] = {"bound": 1.0 / self.bins, "left_out": state["moments"]["rows"] - n}
        names = [name, f"{name}_sd", *(f"{name}_{level}" for level in _LEVELS)]
        if not n:
            return Result(dict.fromkeys(names), 0, "insufficient", details)
        found: dict[str, Any] = dict(Moments().result(state["moments"], ctx).values)
        values: dict[str, Value] = {name: found["mean"][name], f"{name}_sd": found["sd"][name]}
        values |= {f"{name}_{level}": self._quantile(counts, q, n) for level, q in _LEVELS.items()}
        return Result(values, n, "ok", details)

    def _quantile(self, counts: NDArray[np.int64], level: float, n: int) -> float:
        rank = max(1, int(np.ceil(level * n)))
        return (int(np.searchsorted(np.cumsum(counts), rank)) + 1) / self.bins
