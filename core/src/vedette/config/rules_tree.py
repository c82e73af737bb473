"""The tree of an alert rule: evaluation in three values (true, false, unknown) and canonical text."""

from __future__ import annotations

import json
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from vedette.config.values import format_duration

Names = tuple[str, ...]


class Scope(Protocol):
    """Where a rule finds its values; None stands for unknown."""

    def value(self, path: Names, column: str | None) -> float | None: ...
    def reference(self, path: Names, column: str | None) -> float | None: ...
    def before(self, path: Names, column: str | None, seconds: float) -> float | None: ...
    def no_data(self, seconds: float) -> bool | None: ...


class Term(ABC):
    """A part of a rule. `level` is how tightly it binds; `number` whether it is a number or a truth."""

    level: ClassVar[int] = 9
    number: ClassVar[bool] = True

    @abstractmethod
    def evaluate(self, scope: Scope) -> float | bool | None: ...

    @abstractmethod
    def text(self) -> str: ...

    def children(self) -> Iterator[Term]:
        yield from ()

    def walk(self) -> Iterator[Term]:
        """This term, and all below it."""
        yield self
        for child in self.children():
            yield from child.walk()

    def names(self) -> Iterator[Names]:
        for child in self.children():
            yield from child.names()

    def within(self, level: int) -> str:
        """The text, in brackets where it binds more loosely than `level`."""
        return self.text() if self.level >= level else f"({self.text()})"

    def amount(self, scope: Scope) -> float | None:
        """As a number; what is not finite is unknown."""
        value = self.evaluate(scope)
        return None if value is None or not math.isfinite(value) else float(value)

    def truth(self, scope: Scope) -> bool | None:
        """As a truth: a number is true where it is not zero."""
        value = self.evaluate(scope) if not self.number else self.amount(scope)
        return None if value is None else bool(value)


@dataclass(frozen=True)
class Number(Term):
    value: float

    def evaluate(self, scope: Scope) -> float:
        return self.value

    def text(self) -> str:
        return str(int(self.value)) if self.value.is_integer() and abs(self.value) < 1e15 else repr(self.value)


@dataclass(frozen=True)
class Value(Term):
    """`roc_auc`, `drift.drifted`, `mean("income")`."""

    path: Names
    column: str | None = None

    def evaluate(self, scope: Scope) -> float | None:
        return scope.value(self.path, self.column)

    def text(self) -> str:
        return ".".join(self.path) + ("" if self.column is None else f"({json.dumps(self.column, ensure_ascii=False)})")

    def names(self) -> Iterator[Names]:
        yield self.path


@dataclass(frozen=True)
class Reference(Term):
    of: Value

    def evaluate(self, scope: Scope) -> float | None:
        return scope.reference(self.of.path, self.of.column)

    def text(self) -> str:
        return f"reference({self.of.text()})"

    def children(self) -> Iterator[Term]:
        yield self.of


@dataclass(frozen=True)
class Before(Term):
    of: Value
    seconds: float

    def evaluate(self, scope: Scope) -> float | None:
        return scope.before(self.of.path, self.of.column, self.seconds)

    def text(self) -> str:
        return f"before({self.of.text()}, {format_duration(self.seconds)})"

    def children(self) -> Iterator[Term]:
        yield self.of


@dataclass(frozen=True)
class Abs(Term):
    of: Term

    def evaluate(self, scope: Scope) -> float | None:
        value = self.of.amount(scope)
        return None if value is None else abs(value)

    def text(self) -> str:
        return f"abs({self.of.text()})"

    def children(self) -> Iterator[Term]:
        yield self.of


@dataclass(frozen=True)
class NoData(Term):
    number: ClassVar[bool] = False
    seconds: float = 0.0

    def evaluate(self, scope: Scope) -> bool | None:
        return scope.no_data(self.seconds)

    def text(self) -> str:
        return f"no_data({format_duration(self.seconds)})"


@dataclass(frozen=True)
class Negative(Term):
    level: ClassVar[int] = 7
    of: Term

    def evaluate(self, scope: Scope) -> float | None:
        value = self.of.amount(scope)
        return None if value is None else -value

    def text(self) -> str:
        return f"-{self.of.within(8)}"

    def children(self) -> Iterator[Term]:
        yield self.of


def _divide(left: float, right: float) -> float | None:
    return left / right if right else None


_ARITHMETIC: Mapping[str, Callable[[float, float], float | None]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}


@dataclass(frozen=True)
class Chain(Term):
    """`a + b - c` or `a * b / c`, from the left. Unknown where a part is, after a division by zero, past 1.8e308."""

    first: Term
    rest: tuple[tuple[str, Term], ...]

    @property
    def level(self) -> int:  # type: ignore[override]  # a constant of the other terms
        return 5 if self.rest[0][0] in "+-" else 6

    def evaluate(self, scope: Scope) -> float | None:
        total = self.first.amount(scope)
        for sign, term in self.rest:
            value = term.amount(scope)
            if total is None or value is None:
                return None
            total = _ARITHMETIC[sign](total, value)
        return total

    def text(self) -> str:
        parts = [self.first.within(self.level)]
        for sign, term in self.rest:
            parts += [sign, term.within(self.level + 1)]
        return " ".join(parts)

    def children(self) -> Iterator[Term]:
        yield self.first
        for _, term in self.rest:
            yield term


COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Comparison(Term):
    level: ClassVar[int] = 4
    number: ClassVar[bool] = False
    left: Term
    sign: str
    right: Term

    def evaluate(self, scope: Scope) -> bool | None:
        left, right = self.left.amount(scope), self.right.amount(scope)
        return None if left is None or right is None else COMPARISONS[self.sign](left, right)

    def text(self) -> str:
        return f"{self.left.within(5)} {self.sign} {self.right.within(5)}"

    def children(self) -> Iterator[Term]:
        yield from (self.left, self.right)


@dataclass(frozen=True)
class Not(Term):
    level: ClassVar[int] = 3
    number: ClassVar[bool] = False
    of: Term

    def evaluate(self, scope: Scope) -> bool | None:
        value = self.of.truth(scope)
        return None if value is None else not value

    def text(self) -> str:
        return f"not {self.of.within(3)}"

    def children(self) -> Iterator[Term]:
        yield self.of


@dataclass(frozen=True)
class Junction(Term):
    """`a and b and c`, `a or b`: decided by one false (true), else unknown where a part is (Kleene's logic)."""

    number: ClassVar[bool] = False
    word: str
    parts: tuple[Term, ...]

    @property
    def level(self) -> int:  # type: ignore[override]  # a constant of the other terms
        return 2 if self.word == "and" else 1

    def evaluate(self, scope: Scope) -> bool | None:
        decisive = self.word == "or"
        values = [part.truth(scope) for part in self.parts]
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    def text(self) -> str:
        return f" {self.word} ".join(part.within(self.level + 1) for part in self.parts)

    def children(self) -> Iterator[Term]:
        yield from self.parts
