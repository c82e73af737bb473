"""A business metric written as a formula."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np

from vedette.components.metrics._expression import ExpressionError, Formula, evaluate, parse
from vedette.components.metrics._expression_rows import Rows
from vedette.components.metrics._means import known_number
from vedette.plugins.errors import did_you_mean
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, Schema, State


class Expression(Metric):
    """A formula over totals of rows, such as ``sum(amount * (prediction == "fraud" and label == "legit")) / count()``.

    formula: ``+ - * /`` and ``abs`` over numbers and the totals ``sum(x)``, ``mean(x)``, ``min(x)``, ``max(x)``,
    ``count()`` (rows), ``count(x)`` (rows where x is true) and ``ratio(x, y)`` (sum of x / sum of y over the rows that
    have both). x is made per row of columns and attributes by name (``column("hours-per-week")`` where the name is no
    word), ``prediction``, ``label``, ``probability("class")``, numbers, ``+ - * /``, ``abs``, comparisons, ``in``,
    ``and or not``; a truth is 1 or 0. It is parsed, never evaluated as code; at most 1000 characters.

    A row in which a part of x is missing is left out of that total, and counted in `details.left_out`;
    `details.missing` counts the missing values of each column. A total of no rows, a division by 0 and what is not
    finite are not known. With ``label`` in it, the formula is about labelled rows only.
    """

    def __init__(self, formula: str) -> None:
        try:
            parse(formula)
        except ExpressionError as error:
            raise ExpressionError(f"expression: formula {formula[:200]!r}: {error}") from error
        self.formula = formula
        self._narrow()

    def bind(self, schema: Schema) -> Expression:
        for name, column in self._formula.classes:
            if schema.classes and name not in schema.classes:
                hint = did_you_mean(name, schema.classes)
                raise ValueError(
                    f"expression: formula, column {column}: {name!r} is none of the classes{hint}; "
                    f"they are {', '.join(schema.classes)}"
                )
        if "probability" in self._formula.reads and schema.task == "regression":
            raise ValueError("expression: formula: probability(...) needs classes; schema.task is 'regression'")
        super().bind(schema)
        self._narrow()
        return self

    def _narrow(self) -> None:
        reads = self._formula.reads
        vars(self)["tags"] = replace(
            type(self).tags,
            needs_labels="label" in reads,
            needs_prediction="prediction" in reads,
            needs_probabilities="probability" in reads,
        )

    def kept_columns(self) -> tuple[str, ...]:
        return self._formula.columns

    @property
    def _formula(self) -> Formula:
        return parse(self.formula)

    def create(self) -> State:
        """One item a total: top, bottom (sums), low, high, known (rows). missing: one item a column."""
        k = len(self._formula.totals)
        return {
            "rows": 0,
            "top": np.zeros(k),
            "bottom": np.zeros(k),
            "low": np.full(k, np.inf),
            "high": np.full(k, -np.inf),
            "known": np.zeros(k, dtype=np.int64),
            "missing": np.zeros(len(self._formula.columns), dtype=np.int64),
        }

    def add(self, state: State, batch: Batch) -> State:
        rows = Rows(batch)
        part = self.create()
        part["rows"] = len(batch)
        part["missing"][:] = [rows.missing(name) for name in self._formula.columns]
        for i, call in enumerate(self._formula.totals.values()):
            self._total(part, i, _name(call), [rows.numbers(argument) for argument in call.args], len(batch))
        return self.merge(state, part)

    def _total(self, part: State, i: int, name: str, values: list[Floats], n: int) -> None:
        known = np.ones(n, dtype=bool)
        for value in values:
            known &= np.isfinite(value)
        kept = [value[known] for value in values]
        part["known"][i] = np.count_nonzero(known)
        if not kept or not part["known"][i]:
            return
        with np.errstate(over="ignore"):
            part["top"][i] = np.count_nonzero(kept[0]) if name == "count" else kept[0].sum()
            part["bottom"][i] = kept[1].sum() if len(kept) == 2 else 0.0
        part["low"][i], part["high"][i] = kept[0].min(), kept[0].max()

    def merge(self, left: State, right: State) -> State:
        with np.errstate(over="ignore", invalid="ignore"):
            sums = {key: left[key] + right[key] for key in ("rows", "top", "bottom", "known", "missing")}
        low, high = np.minimum(left["low"], right["low"]), np.maximum(left["high"], right["high"])
        return {**sums, "low": low, "high": high}

    def result(self, state: State, ctx: ResultContext) -> Result:
        totals = {text: self._value(state, i, call) for i, (text, call) in enumerate(self._formula.totals.items())}
        value = evaluate(self._formula, totals) if state["rows"] else None
        left_out = (state["rows"] - state["known"]).tolist()
        details = {
            "totals": totals,
            "left_out": dict(zip(totals, left_out, strict=True)),
            "missing": dict(zip(self._formula.columns, state["missing"].tolist(), strict=True)),
        }
        return Result({"expression": value}, state["rows"], "insufficient" if value is None else "ok", details)

    def _value(self, state: State, i: int, call: ast.Call) -> float | None:
        name, known = _name(call), int(state["known"][i])
        top, bottom = float(state["top"][i]), float(state["bottom"][i])
        if name == "count" and not call.args:
            return float(state["rows"])
        if not known or (name == "ratio" and not bottom):
            return None
        if name in ("min", "max"):
            return float(state["low" if name == "min" else "high"][i])
        return known_number(top / (known if name == "mean" else bottom if name == "ratio" else 1.0))


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""
