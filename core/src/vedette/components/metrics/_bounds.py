"""Counting what lies outside an interval per column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vedette.components.metrics._columns import by_column, pick, stack
from vedette.components.metrics._counted import ColumnCounts, Ints, named, ratio
from vedette_specs import Batch, Fittable, Floats, Result, ResultContext, State
from vedette_specs.results import Value


class OutsideBounds(ColumnCounts, Fittable):
    """Per numeric column the shares of known values outside [low_, high_], below and above it. Exactly mergeable."""

    COUNTS = ("n", "below", "above", "missing")
    NAME: ClassVar[str]

    columns: list[str] | None
    columns_: list[str]
    low_: Floats
    high_: Floats

    @abstractmethod
    def bounds(self, values: Floats) -> tuple[float, float]:
        """The bounds that the known, finite values (n > 0) of a reference column set."""

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "numeric", who=self.NAME)
        found = [self._bounds(name, reference.inputs[name].values) for name in self.columns_]
        self.low_ = np.array([low for low, _ in found], dtype=np.float64)
        self.high_ = np.array([high for _, high in found], dtype=np.float64)

    def _bounds(self, name: str, values: Floats) -> tuple[float, float]:
        finite = values[np.isfinite(values)]
        return self.bounds(finite) if len(finite) else (np.nan, np.nan)

    def counted(self, batch: Batch) -> tuple[Sequence[str], Mapping[str, Ints]]:
        self.check_fitted()
        x = stack(batch, pick(batch, self.columns_, "numeric", who=self.NAME))
        missing = np.count_nonzero(np.isnan(x), axis=1)
        return self.columns_, {
            "n": x.shape[1] - missing,
            "below": np.count_nonzero(x < self.low_[:, None], axis=1),
            "above": np.count_nonzero(x > self.high_[:, None], axis=1),
            "missing": missing,
        }

    def shares(self, state: State) -> dict[str, Mapping[str, float]]:
        rows = named(state["columns"], state["n"])
        return dict.fromkeys((self.NAME, f"{self.NAME}_below", f"{self.NAME}_above"), rows)

    def result(self, state: State, ctx: ResultContext) -> Result:
        names = (self.NAME, f"{self.NAME}_below", f"{self.NAME}_above")
        columns, n = state["columns"], state["n"]
        # Without a bound on both sides (no value in the reference) nothing is known to be outside.
        bound = {name: i for i, name in enumerate(self.columns_)}
        known = np.array([not np.isnan(self.low_[bound[name]]) for name in columns], dtype=bool)
        n = np.where(known, n, 0)
        if not n.any():
            return Result(dict.fromkeys(names), state["rows"], "insufficient")
        below, above = ratio(state["below"], n), ratio(state["above"], n)
        shares = zip(names, (below + above, below, above), strict=True)
        values: dict[str, Value] = {name: by_column(columns, share) for name, share in shares}
        details: dict[str, Any] = {
            "low": by_column(self.columns_, self.low_),
            "high": by_column(self.columns_, self.high_),
            "missing": named(columns, state["missing"]),
        }
        return Result(values, state["rows"], "ok", details)
