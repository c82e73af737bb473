"""Alert rules: grammar, three-valued logic against an oracle, and errors at their columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.config import rules
from vedette.config import rules_tree as tree
from vedette.config.rules import MAX_DEPTH, MAX_LENGTH, RuleError, parse


@dataclass
class Values:
    """A scope out of dictionaries; what is missing is unknown."""

    now: Mapping[str, float | None] = field(default_factory=dict)
    then: Mapping[str, float | None] = field(default_factory=dict)
    silent: bool | None = False
    asked: list[Any] = field(default_factory=list)

    def value(self, path: tuple[str, ...], column: str | None) -> float | None:
        return self.now.get(".".join(path) if column is None else f"{'.'.join(path)}:{column}")

    def reference(self, path: tuple[str, ...], column: str | None) -> float | None:
        return self.then.get(".".join(path) if column is None else f"{'.'.join(path)}:{column}")

    def before(self, path: tuple[str, ...], column: str | None, seconds: float) -> float | None:
        self.asked.append((path, column, seconds))
        return self.then.get(".".join(path))

    def no_data(self, seconds: float) -> bool | None:
        self.asked.append(seconds)
        return self.silent


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a < 2", True), ("a >= 2", False), ("a == 1 and b != 1", True), ("not a", False), ("zero", False),
        ("a", True), ("a + b * 3 == 7", True), ("(a + b) * 3 == 9", True), ("b - a - a == 0", True),
        ("8 / b / b == 2", True), ("-a < 0", True), ("--a == 1", True), ("abs(a - 5) == 4", True),
        ("a < 2 or u", True), ("u or a < 2", True), ("a > 2 and u", False), ("u and a > 2", False),
        ("u", None), ("not u", None), ("a < 2 and u", None), ("a > 2 or u", None), ("u < 1", None), ("u + 1 > 0", None),
        ("a / zero > 1", None), ("a / zero > 1 or a", True), ("zero * (a / zero) == 0", None), ("n > 0", None),
        ("not a > 2", True), ("not a and zero", False), ("a and not zero", True), ("1e308 * 10 > 1", None),
        ('mean("income") == 4', True), ('mean("in\\"come") == 5', True), ("mean('income') == 4", True),
        ("drift.drifted", True), ("reference(a) == 9", True), ("a < reference(a) / 2", True),
        ("before(a, 7d) == 9", True), ("no_data(10m)", False), (".5 < a", True), ("1.5e0 > a", True),
    ],
)  # fmt: skip
def test_evaluation(text: str, truth: bool | None) -> None:
    now = {
        "a": 1.0,
        "b": 2.0,
        "zero": 0.0,
        "n": math.nan,
        "mean:income": 4.0,
        'mean:in"come': 5.0,
        "drift.drifted": 1.0,
    }
    assert parse(text).evaluate(Values(now, {"a": 9.0})) is truth


def test_what_is_asked_of_the_scope() -> None:
    scope = Values({}, {}, None)
    rule = parse('before(quality.mean("x y"), 1h30m) > 1 or no_data(10m)')
    assert rule.evaluate(scope) is None
    assert scope.asked == [(("quality", "mean"), "x y", 5400.0), 600.0]


def test_names() -> None:
    rule = parse('roc_auc < 0.7 and (drift.drifted or abs(reference(mean("age")) - before(f1, 7d)) > 1)')
    assert rule.names == {("roc_auc",), ("drift", "drifted"), ("mean",), ("f1",)}
    assert parse("no_data(1h)").names == frozenset()


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        ("no_data(1h)", True),
        ("a > 1 and not (b or no_data(1h))", True),
        ('mean("no_data") > abs(-a / 2)', False),
        ("before(a, 7d) < reference(a)", False),
    ],
)
def test_whether_a_rule_hears_silence(rule: str, heard: bool) -> None:
    assert parse(rule).hears_silence is heard


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a<2", "a < 2"),
        ("( a )", "a"),
        ("(a and b) or (not (c))", "a and b or not c"),
        ("a and (b or c)", "a and (b or c)"),
        ("not (a and b)", "not (a and b)"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("(a + b) * c", "(a + b) * c"),
        ("-(a + b)", "-(a + b)"),
        ("before(a, 90m)", "before(a, 90m)"),
        ("before(a, 1h30m)", "before(a, 90m)"),
        ("mean('in\"c')", 'mean("in\\"c")'),
        ("0.50", "0.5"),
        ("(a < b) and c", "a < b and c"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    rule = parse(text)
    assert rule.text == text
    assert rule.format() == canonical
    assert parse(canonical).format() == canonical


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the rule ends too early"),
        ("a <", 4, "the rule ends too early: a value is missing"),
        ("a < b < c", 7, "comparisons are not chained; write 'a < b and b < c'"),
        ("a = 3", 3, "'=' is not allowed in a rule; write '=='"),
        ("a && b", 3, "'&' is not allowed in a rule; write 'and'"),
        ("a || b", 3, "'|' is not allowed in a rule; write 'or'"),
        ("!a", 1, "'!' is not allowed in a rule; write 'not' or '!='"),
        ("a b", 3, "'b' is not expected here; rules join with 'and' and 'or'"),
        ("(a < b) + 1", 1, "a number is expected; 'a < b' is true or false"),
        ("1 + (a and b)", 5, "a number is expected; 'a and b' is true or false"),
        ("abs(not a)", 5, "a number is expected"),
        ("-(a < b)", 2, "a number is expected"),
        ("refrence(a)", 1, "'refrence' is no function; did you mean 'reference'?"),
        ("mean(income)", 1, "'mean' is no function; a column is named in quotes: mean(\"income\")"),
        ("before(a)", 9, "',' is missing between the value and the duration"),
        ("before(a, 7)", 11, "a duration is expected, as in before(x, 7d); found '7'"),
        ("before(a + 1, 7d)", 10, "',' is missing"),
        ("reference(1)", 11, "the name of a value is expected; found '1'"),
        ("no_data(a)", 9, "a duration is expected, as in no_data(10m); found 'a'"),
        ("no_data", 8, "'(' is missing after no_data"),
        ("7d", 1, "the duration 7d only stands in before(x, 7d) and no_data(10m)"),
        ("a > 1e999", 5, "1e999 is not allowed: numbers up to 1.8e308 are"),
        ("a > -" + "9" * 400, 6, "9999999999 is not allowed: numbers up to 1.8e308 are"),
        ('mean("\\ud800") > 1', 6, "'\\ud800' names no column: half of a surrogate pair is no character"),
        ("mean('\udfff') > 1", 6, "'\\udfff' names no column"),
        ("10x > 1", 1, "'10x' is neither a number nor a duration"),
        ("1.2.3", 1, "'1.2.3' is neither a number nor a duration"),
        ('"income" > 3', 1, 'a text in quotes is a column: write value("income")'),
        ('mean("x', 6, 'the quote " is never closed'),
        ("(a", 3, "')' is missing for the bracket in column 1"),
        ("a)", 2, "')' is not expected here"),
        ("a.", 3, "a name is expected after '.'"),
        ("true", 1, "'true' is no value"),
        ("and a", 1, "a value is expected; found 'and'"),
        ("a and or b", 7, "a value is expected; found 'or'"),
        ("__import__('os').system('x')", 17, "'.' is not expected here"),
        ("a[0]", 2, "'[' is not allowed in a rule"),
        ("a; b", 2, "';' is not allowed in a rule"),
        ("a < 3 if b else 2", 7, "'if' is not expected here"),
        ("before(a, 9999999w)", 11, "is not between 1ms and 100 years"),
    ],
)
def test_errors_name_the_column(text: str, column: int, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize("deep", ["(", "not ", "-", "abs("])
def test_depth_is_bounded(deep: str) -> None:
    with pytest.raises(RuleError, match="nested deeper than"):
        parse(deep * (MAX_DEPTH + 1) + "a")


def test_the_largest_numbers_and_characters_of_any_plane_are_fine() -> None:
    rule = parse('mean("\\ud83d\\ude00") > 1.7976931348623157e308')
    assert rule.format() == 'mean("\U0001f600") > 1.7976931348623157e+308'
    assert parse(rule.format()).format() == rule.format()


def test_length_is_bounded() -> None:
    with pytest.raises(RuleError, match="longer than"):
        parse("a " * MAX_LENGTH)
    wide = " + ".join(["a"] * 400) + " > 399"
    assert parse(wide).evaluate(Values({"a": 1.0})) is True
    assert parse(" and ".join(["a"] * 300)).evaluate(Values({"a": 1.0})) is True


NAMES = ("a", "b", "c")
ATOMS = st.one_of(
    st.integers(0, 5).map(lambda n: tree.Number(float(n))),
    st.floats(0.001, 1e6).map(tree.Number),
    st.sampled_from(NAMES).map(lambda name: tree.Value((name,))),
    st.tuples(st.sampled_from(NAMES), st.text(max_size=4)).map(lambda p: tree.Value((p[0], "x"), p[1])),
)


def _numbers(inner: st.SearchStrategy[tree.Term]) -> st.SearchStrategy[tree.Term]:
    def chain(parts: tuple[str, list[tuple[int, tree.Term]]]) -> tree.Term:
        signs, items = parts
        return tree.Chain(items[0][1], tuple((signs[i], term) for i, term in items[1:]))

    pairs = st.lists(st.tuples(st.integers(0, 1), inner), min_size=2, max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from(["+-", "*/"]), pairs).map(chain), inner.map(tree.Negative), inner.map(tree.Abs)
    )


NUMBERS = st.recursive(ATOMS, _numbers, max_leaves=8)
COMPARED = st.tuples(NUMBERS, st.sampled_from(list(tree.COMPARISONS)), NUMBERS).map(lambda c: tree.Comparison(*c))


def _truths(inner: st.SearchStrategy[tree.Term]) -> st.SearchStrategy[tree.Term]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        inner.map(tree.Not), st.tuples(st.sampled_from(["and", "or"]), parts).map(lambda j: tree.Junction(*j))
    )


RULES = st.recursive(st.one_of(COMPARED, NUMBERS), _truths, max_leaves=8)
SCOPES = st.dictionaries(
    st.sampled_from([*NAMES, *(f"{n}.x:" for n in NAMES)]), st.sampled_from([-2.0, 0.0, 1.0, 2.5, None, math.nan])
)


def oracle(term: tree.Term, now: Mapping[str, float | None]) -> Any:
    """Written on its own: Python's operators, NaN for unknown numbers, strings for truths."""
    if isinstance(term, tree.Number):
        return term.value
    if isinstance(term, tree.Value):
        found = Values(now).value(term.path, term.column)
        return math.nan if found is None else found
    if isinstance(term, tree.Negative | tree.Abs):
        inner = oracle(term.of, now)
        return -inner if isinstance(term, tree.Negative) else math.fabs(inner)
    if isinstance(term, tree.Chain):
        total = oracle(term.first, now)
        for sign, part in term.rest:
            other = oracle(part, now)
            if sign == "/" and other == 0:
                total = math.nan
            else:
                with_sign = {"+": total + other, "-": total - other, "*": total * other}
                total = total / other if sign == "/" else with_sign[sign]
            total = total if math.isfinite(total) else math.nan
        return total
    if isinstance(term, tree.Comparison):
        left, right = oracle(term.left, now), oracle(term.right, now)
        if math.isnan(left) or math.isnan(right):
            return "?"
        found = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
        return "T" if {**found, "==": left == right, "!=": left != right}[term.sign] else "F"
    if isinstance(term, tree.Not):
        return {"T": "F", "F": "T", "?": "?"}[truth(oracle(term.of, now))]
    assert isinstance(term, tree.Junction)
    order = "F?T" if term.word == "and" else "T?F"
    return min((truth(oracle(part, now)) for part in term.parts), key=order.index)


def truth(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "?" if math.isnan(value) else "T" if value else "F"


@settings(max_examples=300)
@given(RULES, SCOPES)
def test_evaluates_as_the_oracle_does(root: tree.Term, now: dict[str, float | None]) -> None:
    expected = {"T": True, "F": False, "?": None}[truth(oracle(root, now))]
    assert rules.Rule("", root).evaluate(Values(now)) is expected


@settings(max_examples=300)
@given(RULES, SCOPES)
def test_what_is_formatted_parses_to_the_same_rule(root: tree.Term, now: dict[str, float | None]) -> None:
    text = root.text()
    if len(text) > MAX_LENGTH:
        return
    again = parse(text)
    assert again.format() == text
    assert again.names == rules.Rule("", root).names
    assert again.evaluate(Values(now)) is rules.Rule("", root).evaluate(Values(now))


@settings(max_examples=300)
@given(st.text(alphabet="ab.()\"'<>=!+-*/, 0123dnotrefc_", max_size=40))
def test_any_text_parses_or_is_refused_at_a_column(text: str) -> None:
    column = 1
    try:
        parse(text).format()
    except RuleError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
