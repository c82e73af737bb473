"""Formulas over rows and their totals: parsed and checked here, never evaluated as code.

scalar  = number | total | scalar (+ - * /) scalar | -scalar | abs(scalar)
total   = sum(row) | mean(row) | min(row) | max(row) | count() | count(row) | ratio(row, row)
row     = number | "text" | name | column("name") | prediction | label | probability("class") | probability()
        | row (+ - * /) row | -row | abs(row) | row (== != < <= > >=) row | row in ("text", ...)
        | row and row | row or row | not row

Python's own parser makes the tree; what is not in this grammar is refused before anything is computed.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from vedette.plugins.errors import did_you_mean

MAX_LENGTH = 1000  # characters
MAX_NODES = 200
MAX_DEPTH = 20
LARGEST = float(np.finfo(np.float64).max)
TOTALS = {"sum": (1, 1), "mean": (1, 1), "min": (1, 1), "max": (1, 1), "count": (0, 1), "ratio": (2, 2)}
ROW_FUNCTIONS = ("abs", "column", "probability")
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
EQUALITY = (ast.Eq, ast.NotEq)
COMPARISONS = (*EQUALITY, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
Kind = Literal["number", "text", "column"]  # truths are numbers: 1, 0, or missing


class ExpressionError(ValueError):
    """What is wrong with a formula, and where."""


@dataclass(frozen=True)
class Formula:
    """A checked formula. totals: its aggregations by their text, in order.

    columns: inputs and attributes that it reads.  classes: texts that stand for classes, and where.
    """

    text: str
    root: ast.expr
    totals: dict[str, ast.Call]
    columns: tuple[str, ...]
    classes: tuple[tuple[str, int], ...]
    reads: frozenset[str]


@lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """The formula that `text` writes; ExpressionError names the place (column from 1) and what is allowed."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the formula has {len(text)} characters; allowed: {MAX_LENGTH}")
    source = text.replace("\n", " ").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python would warn of is refused below
            root = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"column {error.offset or 1}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"the formula cannot be read: {error}") from error
    if sum(1 for _ in ast.walk(root)) > MAX_NODES:
        raise ExpressionError(f"the formula has more than {MAX_NODES} parts")
    checker = _Checker(source)
    checker.scalar(root, 1)
    if not checker.totals:
        raise ExpressionError(f"nothing is aggregated; write one of {', '.join(TOTALS)} around it, such as sum(...)")
    return Formula(
        source, root, checker.totals, tuple(checker.columns), tuple(checker.classes), frozenset(checker.reads)
    )


class _Checker:
    """Walks a tree once; raises ExpressionError at the first part that the grammar does not have."""

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.totals: dict[str, ast.Call] = {}
        self.columns: dict[str, None] = {}
        self.classes: list[tuple[str, int]] = []
        self.reads: set[str] = set()

    def place(self, node: ast.expr) -> int:
        return len(self.source[: node.col_offset].decode(errors="ignore")) + 1

    def fault(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(f"column {self.place(node)}: {message}")

    def deeper(self, node: ast.expr, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self.fault(node, f"nested deeper than {MAX_DEPTH} levels")
        return depth + 1

    def scalar(self, node: ast.expr, depth: int) -> None:
        depth = self.deeper(node, depth)
        match node:
            case ast.Constant():
                self.number(node)
            case ast.BinOp(left, op, right):
                self.operator(node, op)
                self.scalar(left, depth)
                self.scalar(right, depth)
            case ast.UnaryOp(ast.USub() | ast.UAdd(), operand):
                self.scalar(operand, depth)
            case ast.Call():
                self.scalar_call(node, depth)
            case ast.Name():
                raise self.fault(
                    node, f"{node.id!r} stands outside of an aggregation; write sum({node.id}), mean({node.id})"
                )
            case _:
                raise self.fault(node, f"{ast.unparse(node)} is not allowed outside of {', '.join(TOTALS)}")

    def scalar_call(self, node: ast.Call, depth: int) -> None:
        name = self.function(node)
        if name == "abs":
            self.scalar(self.arguments(node, name, 1, 1)[0], depth)
        elif name in TOTALS:
            for argument in self.arguments(node, name, *TOTALS[name]):
                self.numeric(argument, depth)
            self.totals.setdefault(ast.unparse(node), node)
        else:
            raise self.fault(
                node, f"{name}(...) stands outside of an aggregation; put it into one of {', '.join(TOTALS)}"
            )

    def row(self, node: ast.expr, depth: int) -> Kind:
        depth = self.deeper(node, depth)
        match node:
            case ast.Constant(str()):
                return "text"
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.named(node.id)
            case ast.BinOp(left, op, right):
                self.operator(node, op)
                return self.numbers((left, right), depth)
            case ast.UnaryOp(ast.USub() | ast.UAdd() | ast.Not(), operand):
                return self.numeric(operand, depth)
            case ast.BoolOp(_, values):
                return self.numbers(values, depth)
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.Call():
                return self.row_call(node, depth)
        raise self.fault(node, f"{ast.unparse(node)} is not allowed in a formula")

    def row_call(self, node: ast.Call, depth: int) -> Kind:
        name = self.function(node)
        if name in TOTALS:
            raise self.fault(node, f"{name}(...) stands in another aggregation; they cannot be nested")
        if name == "abs":
            return self.numeric(self.arguments(node, name, 1, 1)[0], depth)
        given = [self.text(argument) for argument in self.arguments(node, name, int(name == "column"), 1)]
        if name == "column":
            self.columns[given[0]] = None
            return "column"
        self.reads.add("probability")
        self.classes += [(text, self.place(node)) for text in given]
        return "number"

    def comparison(self, node: ast.Compare, depth: int) -> Kind:
        sides = [node.left, *node.comparators]
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            kind = self.row(left, depth)
            if isinstance(op, ast.In | ast.NotIn):
                self.among(left, kind, right)
                continue
            if not isinstance(op, COMPARISONS):
                raise self.fault(node, f"{ast.unparse(node)}: allowed comparisons: == != < <= > >= in")
            kinds = {kind, self.row(right, depth)}
            if "text" in kinds and (not isinstance(op, EQUALITY) or kinds != {"text", "column"}):
                raise self.fault(node, f"{ast.unparse(node)}: a text is compared with a column, by == or !=")
            self.expect_class(left, right)
            self.expect_class(right, left)
        return "number"

    def among(self, left: ast.expr, kind: Kind, right: ast.expr) -> None:
        if kind == "text" or not isinstance(right, ast.Tuple | ast.List) or not right.elts:
            raise self.fault(right, 'in takes a column and a list, such as region in ("eu", "us")')
        for item in right.elts:
            if not isinstance(item, ast.Constant):
                raise self.fault(item, f"{ast.unparse(item)} is not allowed in a list: texts or numbers")
            if not isinstance(item.value, str):
                self.number(item)
            elif kind != "column":
                raise self.fault(item, "a text is compared with a column only")
            self.expect_class(left, item)

    def expect_class(self, left: ast.expr, right: ast.expr) -> None:
        """Remember a text that a prediction or label is compared with."""
        asked = isinstance(left, ast.Name) and left.id in ("prediction", "label")
        if asked and isinstance(right, ast.Constant) and isinstance(right.value, str):
            self.classes.append((right.value, self.place(right)))

    def named(self, name: str) -> Kind:
        if name in ("prediction", "label"):
            self.reads.add(name)
        else:
            self.columns[name] = None
        return "column"

    def numbers(self, nodes: Sequence[ast.expr], depth: int) -> Kind:
        for node in nodes:
            self.numeric(node, depth)
        return "number"

    def numeric(self, node: ast.expr, depth: int) -> Kind:
        if self.row(node, depth) == "text":
            raise self.fault(node, f"{ast.unparse(node)} is a text; a number or a comparison is expected")
        return "number"

    def number(self, node: ast.Constant) -> Kind:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise self.fault(node, f"{ast.unparse(node)[:40]} is not allowed: numbers up to 1.8e308 and texts are")
        return "number"

    def operator(self, node: ast.BinOp, op: ast.operator) -> None:
        if not isinstance(op, ARITHMETIC):
            raise self.fault(node, f"{ast.unparse(node)}: allowed operators: + - * / (and, or, not for truths)")

    def function(self, node: ast.Call) -> str:
        known = (*TOTALS, *ROW_FUNCTIONS)
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in known:
            raise self.fault(node, f"{name!r} is no function{did_you_mean(name, known)}; allowed: {', '.join(known)}")
        return name

    def arguments(self, node: ast.Call, name: str, least: int, most: int) -> list[ast.expr]:
        if node.keywords or not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} or {most}"
            raise self.fault(node, f"{name} takes {wanted} arguments, without names; found {len(node.args)}")
        return node.args

    def text(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            raise self.fault(node, f"{ast.unparse(node)}: a text in quotes is expected")
        return node.value


def evaluate(formula: Formula, totals: dict[str, float | None]) -> float | None:
    """The formula's value from its totals; None where one is not known, at a division by zero, or past 1.8e308."""

    def value(node: ast.expr) -> float | None:
        match node:
            case ast.Constant(int() | float() as number):
                return float(number)
            case ast.UnaryOp(op, operand):
                inner = value(operand)
                return -inner if inner is not None and isinstance(op, ast.USub) else inner
            case ast.BinOp(left, op, right):
                a, b = value(left), value(right)
                return None if a is None or b is None else _OPERATORS[type(op)](a, b)
            case ast.Call(ast.Name("abs"), [inner_node]):
                inner = value(inner_node)
                return None if inner is None else abs(inner)
            case _:
                return totals[ast.unparse(node)]

    found = value(formula.root)
    return found if found is not None and math.isfinite(found) else None


def _divide(a: float, b: float) -> float | None:
    return a / b if b else None


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float | None]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: _divide,
}
