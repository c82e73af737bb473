"""Share of values that are not of the type that the reference has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vedette.components.metrics._columns import by_column
from vedette.components.metrics._counted import ColumnCounts, Ints, named, ratio
from vedette_specs import Batch, Column, Fittable, Mask, Result, ResultContext, State, Tags

_PATTERNS = {
    "integer": re.compile(r"[+-]?\d{1,400}"),
    "number": re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?"),
    "boolean": re.compile(r"true|false|yes|no", re.IGNORECASE),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?"),
}


class TypeMismatches(ColumnCounts, Fittable):
    """Per column: the share of known values that are not of the column's type (`type_mismatches`, in [0, 1]).

    The type is the narrowest one that all known values of the reference have. Of numeric columns: integer, number. Of
    category columns: integer, number, boolean (true, false, yes, no), date (ISO 8601), any. Of all others: their kind.
    A column that comes with another kind than the reference's mismatches in all its values; one that does not come at
    all is counted in `details.absent` (rows), and one that the reference does not have in `details.unknown`.
    columns: input columns; all of them when None.  Missing values are left out: what cannot be read as a number has
    become one before it gets here, see `missing_rate`.
    """

    COUNTS = ("n", "wrong", "absent", "unknown")
    tags = Tags()

    columns_: list[str]
    kinds_: list[str]
    types_: list[str]

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    def fit_batch(self, reference: Batch) -> None:
        names = list(reference.inputs) if self.columns is None else self.columns
        if absent := [name for name in names if name not in reference.inputs]:
            raise ValueError(f"type_mismatches: columns {absent} are not in the reference: {list(reference.inputs)}")
        self.columns_ = list(names)
        self.kinds_ = [reference.inputs[name].kind for name in names]
        self.types_ = [narrowest(reference.inputs[name]) for name in names]

    def counted(self, batch: Batch) -> tuple[Sequence[str], Mapping[str, Ints]]:
        self.check_fitted()
        strange = [] if self.columns is not None else sorted(set(batch.inputs) - set(self.columns_))
        names = [*self.columns_, *strange]
        counts = {key: np.zeros(len(names), dtype=np.int64) for key in self.COUNTS}
        counts["unknown"][len(self.columns_) :] = len(batch)
        for i, (name, kind, wanted) in enumerate(zip(self.columns_, self.kinds_, self.types_, strict=True)):
            if name not in batch.inputs:
                counts["absent"][i] = len(batch)
            elif len(batch):
                column = batch.inputs[name]
                known = ~column.missing()
                right = of_type(column, wanted) if column.kind == kind else np.zeros(len(column), dtype=bool)
                counts["n"][i] = np.count_nonzero(known)
                counts["wrong"][i] = np.count_nonzero(known & ~right)
        return names, counts

    def shares(self, state: State) -> dict[str, Mapping[str, float]]:
        return {"type_mismatches": named(state["columns"], state["n"])}

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns, n = state["columns"], state["n"]
        if not n.any():
            return Result({"type_mismatches": None}, state["rows"], "insufficient")
        fitted = np.array([name in self.columns_ for name in columns], dtype=bool)
        shown = [name for name, here in zip(columns, fitted, strict=True) if here]
        details: dict[str, Any] = {key: _positive(named(columns, state[key])) for key in ("absent", "unknown")}
        details["types"] = dict(zip(self.columns_, self.types_, strict=True))
        shares = by_column(shown, ratio(state["wrong"], n)[fitted])
        return Result({"type_mismatches": shares}, state["rows"], "ok", details)


def narrowest(column: Column) -> str:
    """The first type that all known values have; the widest where none is known."""
    known = ~column.missing() if len(column) else np.zeros(0, dtype=bool)
    if not known.any():
        return "any"
    types = ("integer", "number") if column.kind == "numeric" else tuple(_PATTERNS)
    if column.kind not in ("numeric", "category"):
        return "any"
    return next((name for name in types if of_type(column, name)[known].all()), "any")


def of_type(column: Column, wanted: str) -> Mask:
    """(n,) True where the value is of the type; what a missing one gives says nothing."""
    if wanted == "any" or (column.kind == "numeric" and wanted == "number"):
        return np.ones(len(column), dtype=bool)
    if column.kind == "numeric":
        with np.errstate(invalid="ignore"):
            return np.asarray(np.floor(column.values) == column.values)
    fits = [_PATTERNS[wanted].fullmatch(name) is not None for name in column.categories]
    return np.asarray(np.array([*fits, False], dtype=bool)[column.values])


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
