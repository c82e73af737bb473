"""The rows of a batch under a formula: vectorised, in three values where it comes to truth."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from vedette.components.metrics._labels import class_probabilities, matching_codes, predicted
from vedette.components.metrics._weights import as_numbers, find_column
from vedette_specs import Batch, Column, Floats

_COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Eq: np.equal, ast.NotEq: np.not_equal, ast.Lt: np.less, ast.LtE: np.less_equal,
    ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Any] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip


class Rows:
    """Values of a checked formula's parts for each row of a batch.

    Truths are 1, 0, or NaN where a part is missing and the rest does not decide ("false and missing" is false).
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.n = len(batch)

    def numbers(self, node: ast.expr) -> Floats:
        """(n,) float64, NaN where not known."""
        with np.errstate(all="ignore"):
            found = self._part(node)
        return found if isinstance(found, np.ndarray) else as_numbers(found, self.n)

    def missing(self, name: str) -> int:
        """Rows in which a column has no value."""
        column = find_column(self.batch, name)
        return self.n if column is None else int(np.count_nonzero(column.missing()))

    def _part(self, node: ast.expr) -> Floats | Column | None:
        """Numbers, or a column as it is (None where the batch has none of that name)."""
        match node:
            case ast.Constant(int() | float() as value):
                return np.full(self.n, float(value))
            case ast.Name(name):
                return self._named(name)
            case ast.BinOp(left, op, right):
                return np.asarray(_ARITHMETIC[type(op)](self.numbers(left), self.numbers(right)))
            case ast.UnaryOp(op, operand):
                return self._unary(op, self.numbers(operand))
            case ast.BoolOp(op, values):
                return _junction([self.numbers(value) for value in values], isinstance(op, ast.Or))
            case ast.Compare(left, ops, sides):
                lefts = [left, *sides]
                pairs = [self._compared(a, op, b) for a, op, b in zip(lefts, ops, sides, strict=False)]
                return _junction(pairs, False)
            case ast.Call(ast.Name("abs"), [inner]):
                return np.abs(self.numbers(inner))
            case ast.Call(ast.Name("column"), [ast.Constant(str() as name)]):
                return find_column(self.batch, name)
            case ast.Call(ast.Name("probability"), arguments):
                return self._probability([a.value for a in arguments if isinstance(a, ast.Constant)])
            case _:
                raise TypeError(f"{ast.dump(node)} is in no checked formula")

    def _named(self, name: str) -> Column | None:
        if name == "prediction":
            return predicted(self.batch)
        return self.batch.labels if name == "label" else find_column(self.batch, name)

    def _unary(self, op: ast.unaryop, inner: Floats) -> Floats:
        if isinstance(op, ast.Not):
            return np.where(np.isnan(inner), np.nan, inner == 0.0)
        return -inner if isinstance(op, ast.USub) else inner

    def _probability(self, named: list[Any]) -> Floats:
        schema = self.batch.schema
        given = class_probabilities(self.batch, "expression")
        if named and named[0] not in schema.classes:
            raise ValueError(f"expression: probability({named[0]!r}): the classes are {', '.join(schema.classes)}")
        return given[:, schema.classes.index(named[0]) if named else schema.positive_index]

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Floats:
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(right, ast.Tuple | ast.List)
            found = _junction([self._compared(left, ast.Eq(), item) for item in right.elts], True)
            return found if isinstance(op, ast.In) else self._unary(ast.Not(), found)
        for side, other in ((left, right), (right, left)):
            if isinstance(other, ast.Constant) and isinstance(other.value, str):
                return self._is_text(self._part(side), other.value, isinstance(op, ast.Eq))
        a: Any = self._part(left)
        b: Any = self._part(right)
        if isinstance(op, ast.Eq | ast.NotEq) and _is_category(a, b):
            first, second = matching_codes(a, b)
            return _truth(first == second, (first < 0) | (second < 0), isinstance(op, ast.Eq))
        x, y = self.numbers(left), self.numbers(right)
        return _truth(_COMPARE[type(op)](x, y), np.isnan(x) | np.isnan(y), True)

    def _is_text(self, column: Floats | Column | None, text: str, equal: bool) -> Floats:
        if not isinstance(column, Column) or column.kind in ("image", "embedding"):
            return np.full(self.n, np.nan)
        codes = column.codes([text])
        return _truth(codes == 0, codes < 0, equal)


def _is_category(a: Any, b: Any) -> bool:
    """Whether two columns are compared by their texts: either has no numbers."""
    both = isinstance(a, Column) and isinstance(b, Column)
    return both and {a.kind, b.kind} <= {"numeric", "category", "text"} and {a.kind, b.kind} != {"numeric"}


def _truth(holds: Any, missing: Any, equal: bool) -> Floats:
    return np.where(missing, np.nan, holds if equal else ~holds)


def _junction(parts: list[Floats], either: bool) -> Floats:
    """`and` (`or`) of truths: decided by one false (true), else missing where a part is (Kleene's logic)."""
    decisive = np.zeros(len(parts[0]), dtype=bool)
    missing = decisive.copy()
    for part in parts:
        gone = np.isnan(part)
        missing |= gone
        decisive |= ~gone & ((part != 0.0) == either)
    return np.where(decisive, float(either), np.where(missing, np.nan, float(not either)))
