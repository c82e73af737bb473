"""Alert rules: a small language, parsed by recursive descent and never evaluated as code.

rule       = both {"or" both}            both  = negation {"and" negation}
negation   = "not" negation | comparison
comparison = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
sum        = product {("+" | "-") product}     product = sign {("*" | "/") sign}
sign       = "-" sign | atom
atom       = number | value | "(" rule ")" | "abs(" rule ")" | "reference(" value ")"
           | "before(" value "," duration ")" | "no_data(" duration ")"
value      = name {"." name} ["(" "column in quotes" ")"]
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from vedette.config import rules_tree as tree
from vedette.config.faults import did_you_mean
from vedette.config.rules_tree import Scope
from vedette.config.values import PART, parse_duration

MAX_LENGTH = 2000
MAX_DEPTH = 32
FUNCTIONS = ("abs", "before", "no_data", "reference")
WORDS = ("and", "or", "not")
_TOKEN = re.compile(
    r"\s*(?:"
    rf"(?P<duration>(?:{PART})+)(?![A-Za-z0-9_.])"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|[-+*/<>(),.])"
    r"|(?P<end>$)"
    r"|(?P<bad>.))",
    re.DOTALL,
)
_INSTEAD = {"=": "'=='", "&": "'and'", "|": "'or'", "!": "'not' or '!='", "^": "'*'"}


_Part = Callable[[], tree.Term]


class RuleError(ValueError):
    """What is wrong with a rule. column: where, counted from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True)
class Rule:
    """A parsed rule. text: as it was written."""

    text: str
    root: tree.Term

    @property
    def names(self) -> frozenset[tuple[str, ...]]:
        """The values it reads: ("roc_auc",), ("drift", "drifted")."""
        return frozenset(self.root.names())

    @property
    def hears_silence(self) -> bool:
        """Whether `no_data(...)` stands in it."""
        return any(isinstance(term, tree.NoData) for term in self.root.walk())

    def evaluate(self, scope: Scope) -> bool | None:
        """True, False, or None where it is unknown."""
        return self.root.truth(scope)

    def format(self) -> str:
        """Canonical text; parses to the same rule."""
        return self.root.text()


def parse(text: str) -> Rule:
    """The rule that `text` writes; RuleError says what is wrong, and where."""
    if len(text) > MAX_LENGTH:
        raise RuleError(f"the rule is longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    parser = _Parser(_tokens(text))
    root = parser.rule()
    parser.expect_end()
    return Rule(text, root)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, position)
        assert match is not None, "the last alternative takes any character"
        kind = str(match.lastgroup)
        token = _Token(kind, match[kind], match.start(kind) + 1)
        if kind == "bad":
            raise RuleError(_bad(text, token), token.column)
        found.append(token)
        position = match.end()
    return found


def _bad(text: str, token: _Token) -> str:
    if token.text in "\"'":
        return f"the quote {token.text} is never closed"
    if token.text.isdigit():
        word = re.match(r"[\w.]+", text[token.column - 1 :])
        return f"{word[0] if word else token.text!r} is neither a number nor a duration, such as 10m"
    instead = f"; write {_INSTEAD[token.text]}" if token.text in _INSTEAD else ""
    return f"{token.text!r} is not allowed in a rule{instead}"


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.position]

    def take(self, *texts: str) -> _Token | None:
        """The next token, where it is one of these signs or words."""
        token = self.next
        if token.kind in ("sign", "name") and token.text in texts:
            self.position += 1
            return token
        return None

    def expect(self, text: str, after: str) -> None:
        if not self.take(text):
            raise RuleError(f"{text!r} is missing {after}{self.found()}", self.next.column)

    def found(self) -> str:
        return "" if self.next.kind == "end" else f"; found {self.next.text!r}"

    def expect_end(self) -> None:
        token = self.next
        if token.kind == "end":
            return
        if token.text in tree.COMPARISONS:
            raise RuleError("comparisons are not chained; write 'a < b and b < c'", token.column)
        raise RuleError(f"{token.text!r} is not expected here; rules join with 'and' and 'or'", token.column)

    def rule(self) -> tree.Term:
        return self.junction("or", lambda: self.junction("and", self.negation))

    def junction(self, word: str, part: _Part) -> tree.Term:
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else tree.Junction(word, tuple(parts))

    def negation(self) -> tree.Term:
        if token := self.take("not"):
            with self.deeper(token):
                return tree.Not(self.negation())
        return self.comparison()

    def comparison(self) -> tree.Term:
        column = self.next.column
        left = self.chain("+-", lambda: self.chain("*/", self.sign))
        if sign := self.take(*tree.COMPARISONS):
            _need_number(left, column)
            column = self.next.column
            right = self.chain("+-", lambda: self.chain("*/", self.sign))
            return tree.Comparison(left, sign.text, _need_number(right, column))
        return left

    def chain(self, signs: str, part: _Part) -> tree.Term:
        column = self.next.column
        first, rest = part(), []
        while sign := self.take(*signs):
            _need_number(first, column)
            here = self.next.column
            rest.append((sign.text, _need_number(part(), here)))
        return tree.Chain(first, tuple(rest)) if rest else first

    def sign(self) -> tree.Term:
        if token := self.take("-"):
            column = self.next.column
            with self.deeper(token):
                return tree.Negative(_need_number(self.sign(), column))
        return self.atom()

    def atom(self) -> tree.Term:
        token = self.next
        if token.kind == "number":
            self.position += 1
            if math.isinf(value := float(token.text)):
                raise RuleError(f"{token.text[:40]} is not allowed: numbers up to 1.8e308 are", token.column)
            return tree.Number(value)
        if self.take("("):
            with self.deeper(token):
                inner = self.rule()
            self.expect(")", f"for the bracket in column {token.column}")
            return inner
        if token.kind == "name" and token.text not in WORDS:
            return self.function() if token.text in FUNCTIONS else self.value()
        raise RuleError(_not_a_value(token), token.column)

    def function(self) -> tree.Term:
        name = self.next
        self.position += 1
        self.expect("(", f"after {name.text}")
        with self.deeper(name):
            term = self.arguments(name.text)
        self.expect(")", f"after the argument of {name.text}")
        return term

    def arguments(self, name: str) -> tree.Term:
        if name == "no_data":
            return tree.NoData(self.duration("no_data(10m)"))
        if name == "abs":
            column = self.next.column
            return tree.Abs(_need_number(self.rule(), column))
        value = self.value()
        if name == "reference":
            return tree.Reference(value)
        self.expect(",", "between the value and the duration, as in before(x, 7d)")
        return tree.Before(value, self.duration("before(x, 7d)"))

    def value(self) -> tree.Value:
        token = self.next
        if token.kind != "name" or token.text in (*WORDS, *FUNCTIONS):
            raise RuleError(f"the name of a value is expected{self.found()}", token.column)
        if token.text.lower() in ("true", "false", "null"):
            raise RuleError(f"{token.text!r} is no value; write 'drifted' or 'not drifted'", token.column)
        path = [self.name()]
        while self.take("."):
            path.append(self.name())
        if self.take("("):
            return tree.Value(tuple(path), self.column(token, path))
        return tree.Value(tuple(path))

    def name(self) -> str:
        token = self.next
        if token.kind != "name":
            raise RuleError(f"a name is expected after '.'{self.found()}", token.column)
        self.position += 1
        return token.text

    def column(self, start: _Token, path: list[str]) -> str:
        token = self.next
        if token.kind != "text":
            name = ".".join(path)
            near = did_you_mean(name, FUNCTIONS) if difflib.get_close_matches(name, FUNCTIONS) else ""
            advice = near or """; a column is named in quotes: mean("income")"""
            raise RuleError(f"{name!r} is no function{advice}", start.column)
        self.position += 1
        self.expect(")", "after the column")
        try:
            column = token.text[1:-1] if token.text[0] == "'" else str(json.loads(token.text))
        except ValueError as error:
            raise RuleError(f"{token.text} is no text in quotes: {error}", token.column) from error
        if any("\ud800" <= sign <= "\udfff" for sign in column):
            raise RuleError(f"{column!a} names no column: half of a surrogate pair is no character", token.column)
        return column

    def duration(self, example: str) -> float:
        token = self.next
        if token.kind != "duration":
            raise RuleError(f"a duration is expected, as in {example}{self.found()}", token.column)
        self.position += 1
        try:
            return parse_duration(token.text)
        except ValueError as error:
            raise RuleError(str(error), token.column) from error

    def deeper(self, token: _Token) -> _Deeper:
        return _Deeper(self, token)


class _Deeper:
    """Counts how deep the parser is, so that no rule exhausts the stack."""

    def __init__(self, parser: _Parser, token: _Token) -> None:
        self.parser, self.token = parser, token

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            raise RuleError(f"the rule is nested deeper than {MAX_DEPTH} levels", self.token.column)

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1


def _need_number(term: tree.Term, column: int) -> tree.Term:
    if not term.number:
        raise RuleError(f"a number is expected; '{term.text()}' is true or false", column)
    return term


def _not_a_value(token: _Token) -> str:
    if token.kind == "end":
        return "the rule ends too early: a value is missing"
    if token.kind == "text":
        return f"a text in quotes is a column: write value({token.text})"
    if token.kind == "duration":
        return f"the duration {token.text} only stands in before(x, 7d) and no_data(10m)"
    return f"a value is expected; found {token.text!r}"
