"""Shares of the categories of category columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vedette.components.metrics._categories import add_counts, count_column, distinct, empty_table, merge_tables
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value


class Frequencies(Metric):
    """Per category column: the shares of the commonest categories (`share`, keys ``column=category``), of all others
    together (`other`), and the number of different categories (`distinct`). Shares are of the rows not missing.

    columns: category input columns; all of them when None.  top: how many categories of a column are shown.
    max_categories: how many categories of a column are counted one by one: those with the least 64-bit hash, which
    merge exactly in any order. Beyond it the rest is counted as `other`, and `distinct` is an estimate.
    """

    NAME: ClassVar[str] = "frequencies"  # in messages
    tags = Tags(modalities=("category",))

    def __init__(self, columns: list[str] | None = None, top: int = 50, max_categories: int = 1000) -> None:
        if top < 1:
            raise ValueError(f"frequencies: top is {top}; allowed: 1 or more")
        if max_categories < 2:
            raise ValueError(f"frequencies: max_categories is {max_categories}; allowed: 2 or more")
        self.columns = columns
        self.top = top
        self.max_categories = max_categories

    def create(self) -> State:
        return {"n": 0, "tables": {}, "missing": {}}

    def add(self, state: State, batch: Batch) -> State:
        tables, missing = dict(state["tables"]), dict(state["missing"])
        for name in pick(batch, self.columns, "category", who=self.NAME):
            counts, gone = count_column(batch.inputs[name])
            tables[name] = add_counts(tables.get(name) or empty_table(), counts, self.max_categories)
            missing[name] = missing.get(name, 0) + gone
        return {"n": state["n"] + len(batch), "tables": tables, "missing": missing}

    def merge(self, left: State, right: State) -> State:
        names = list(dict.fromkeys((*left["tables"], *right["tables"])))
        empty = empty_table()
        tables = {
            name: merge_tables(left["tables"].get(name, empty), right["tables"].get(name, empty), self.max_categories)
            for name in names
        }
        missing = {name: left["missing"].get(name, 0) + right["missing"].get(name, 0) for name in names}
        return {"n": left["n"] + right["n"], "tables": tables, "missing": missing}

    def shares(self, state: State) -> dict[str, Mapping[str, float]]:
        rows = {name: sum(table["counts"]) + table["other"] for name, table in state["tables"].items()}
        return {
            "share": {
                f"{name}={kind}": rows[name] for name, table in state["tables"].items() for kind in table["names"]
            },
            "other": rows,
        }

    def result(self, state: State, ctx: ResultContext) -> Result:
        tables = {name: state["tables"][name] for name in sorted(state["tables"])}
        totals = {name: sum(table["counts"]) + table["other"] for name, table in tables.items()}
        if not any(totals.values()):
            return Result({"share": None, "other": None, "distinct": None}, state["n"], "insufficient")
        share: dict[str, float | None] = {}
        other: dict[str, float | None] = {}
        for name, table in tables.items():
            counts = zip(table["names"], table["counts"], strict=True)
            shown = sorted(counts, key=lambda item: (-item[1], item[0]))[: self.top]
            share |= {f"{name}={category}": count / totals[name] for category, count in shown}
            rest = totals[name] - sum(count for _, count in shown)
            other[name] = rest / totals[name] if totals[name] else None
        kinds: dict[str, float | None] = {name: distinct(t, self.max_categories) for name, t in tables.items()}
        values: dict[str, Value] = {"share": share, "other": other, "distinct": kinds}
        return Result(values, state["n"], "ok", {"missing": {name: state["missing"][name] for name in tables}})
