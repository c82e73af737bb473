"""Share of values that the reference has never had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.components.metrics._categories import add_counts, count_column, distinct, empty_table, merge_tables
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Fittable, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_EMPTY: dict[str, Any] = {"n": 0, "missing": 0, "new": 0, "table": empty_table()}


class NewCategories(Metric, Fittable):
    """Per category column: the share of known values whose category is not in the reference (`new_categories`, in
    [0, 1]), and how many different ones there are (`new_distinct`).

    max_categories: new categories counted one by one: those with the least hash, which merges exactly; beyond it
    `new_distinct` is an estimate (relative standard error about 1 / sqrt(max_categories - 2)). The share is exact.
    columns: category input columns; all of them when None.
    Details: the commonest new categories (`examples`, at most 20 a column); missing values are left out and counted.
    """

    tags = Tags(modalities=("category",))

    columns_: list[str]
    categories_: list[list[str]]

    def __init__(self, columns: list[str] | None = None, max_categories: int = 1000) -> None:
        if max_categories < 2:
            raise ValueError(f"new_categories: max_categories is {max_categories}; allowed: 2 or more")
        self.columns = columns
        self.max_categories = max_categories

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "category", who="new_categories")
        self.categories_ = [sorted(count_column(reference.inputs[name])[0]) for name in self.columns_]

    def create(self) -> State:
        return {"rows": 0, "columns": {}}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        names = pick(batch, self.columns_, "category", who="new_categories")
        part = {name: self._part(batch, name, known) for name, known in zip(names, self.categories_, strict=True)}
        return self.merge(state, {"rows": len(batch), "columns": part})

    def _part(self, batch: Batch, name: str, known: list[str]) -> dict[str, Any]:
        column = batch.inputs[name]
        codes = column.codes(known)
        new = codes == len(known)
        counts = count_column(column.take(np.flatnonzero(new)))[0] if new.any() else {}
        missing = int(np.count_nonzero(codes < 0))
        return {
            "n": len(codes) - missing,
            "missing": missing,
            "new": int(np.count_nonzero(new)),
            "table": add_counts(empty_table(), counts, self.max_categories),
        }

    def merge(self, left: State, right: State) -> State:
        a, b = left["columns"], right["columns"]
        columns = {name: self._join(a.get(name, _EMPTY), b.get(name, _EMPTY)) for name in a | b}
        return {"rows": left["rows"] + right["rows"], "columns": columns}

    def _join(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        table = merge_tables(a["table"], b["table"], self.max_categories)
        return {key: a[key] + b[key] for key in ("n", "missing", "new")} | {"table": table}

    def shares(self, state: State) -> dict[str, Mapping[str, float]]:
        return {"new_categories": {name: part["n"] for name, part in state["columns"].items()}}

    def result(self, state: State, ctx: ResultContext) -> Result:
        parts = {name: state["columns"][name] for name in sorted(state["columns"])}
        if not any(part["n"] for part in parts.values()):
            return Result({"new_categories": None, "new_distinct": None}, state["rows"], "insufficient")
        share = {name: part["new"] / part["n"] if part["n"] else None for name, part in parts.items()}
        kinds = {
            name: distinct(part["table"], self.max_categories) if part["n"] else None for name, part in parts.items()
        }
        values: dict[str, Value] = {"new_categories": share, "new_distinct": kinds}
        details = {
            "examples": {name: _commonest(part["table"]) for name, part in parts.items() if part["new"]},
            "missing": {name: part["missing"] for name, part in parts.items()},
        }
        return Result(values, state["rows"], "ok", details)


def _commonest(table: dict[str, Any]) -> dict[str, int]:
    counted = zip(table["names"], table["counts"], strict=True)
    return dict(sorted(counted, key=lambda item: (-item[1], item[0]))[:20])
