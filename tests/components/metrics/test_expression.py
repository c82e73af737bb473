"""expression: the grammar, what it refuses and where, totals that equal a plain loop however rows are split."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.components.metrics._expression import MAX_DEPTH, MAX_LENGTH, MAX_NODES
from vedette.components.metrics.expression import Expression
from vedette_specs import Batch, ResultContext, Schema, category, numeric
from vedette_specs.codec import decode, encode

CTX = ResultContext()
SCHEMA = Schema({"amount": "numeric", "hours-per-week": "numeric"}, "binary", ("legit", "fraud"), "fraud")
FRAUD = 'sum(amount * (prediction == "fraud" and label == "legit")) / count()'
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(n: int = 200, seed: int = 0, missing: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)

    def holes(values: list[object]) -> list[object]:
        return [None if gone else value for value, gone in zip(values, rng.random(n) < missing, strict=True)]

    p = rng.random(n)
    return Batch(
        {"amount": numeric(holes(rng.lognormal(size=n).tolist())),
         "hours-per-week": numeric(holes(rng.integers(1, 60, n).tolist()))},
        SCHEMA,
        prediction=category(holes([SCHEMA.classes[i] for i in rng.integers(0, 2, n)]), SCHEMA.classes),
        probabilities=np.column_stack([1 - p, p]),
        labels=category(holes([SCHEMA.classes[i] for i in rng.integers(0, 2, n)]), SCHEMA.classes),
        attributes={"region": category(holes((["eu", "us", "asia"] * n)[:n])),
                    "fee": category(holes((["1.5", "2"] * n)[:n]))},
    )  # fmt: skip


def value(formula: str, batch: Batch) -> float | None:
    found = Expression(formula).bind(batch.schema).compute(batch).values["expression"]
    assert found is None or isinstance(found, float)
    return found


def plain(batch: Batch) -> dict[str, list]:
    found = {name: column.to_list() for name, column in {**batch.inputs, **batch.attributes}.items()}
    return {**found, "prediction": batch.prediction.to_list(), "label": batch.labels.to_list()}


@FEW
@given(n=st.integers(0, 150), seed=st.integers(0, 999), missing=st.sampled_from([0.0, 0.3]))
def test_the_cost_of_false_alarms_in_any_shards(n, seed, missing, merged):
    batch = rows(n, seed, missing)
    part = Expression(FRAUD).bind(SCHEMA)
    whole = part.result(part.add(part.create(), batch), CTX)
    total, known = 0.0, 0
    columns = plain(batch)
    for amount, answer, truth in zip(columns["amount"], columns["prediction"], columns["label"], strict=True):
        wrong = False if answer == "legit" or truth == "fraud" else None if None in (answer, truth) else True
        if wrong is not None and amount is not None:
            total, known = total + amount * wrong, known + 1
    split = part.result(merged(part, batch, seed), CTX)
    for result in (whole, split):
        got = result.values["expression"]
        assert got == (None if not known else pytest.approx(total / n, rel=1e-12))
        assert result.n == n
        inner = next(text for text in result.details["totals"] if text.startswith("sum"))
        assert result.details["left_out"][inner] == n - known
        assert result.details["missing"] == {"amount": columns["amount"].count(None)}


A = np.array([1.0, 2.0, 4.0, 8.0])
SMALL = Batch(
    {"a": numeric(A), "b": numeric([2.0, None, 1.0, 0.0]), "word": category(["x", "y", "x", None])},
    SCHEMA,
    prediction=category(["fraud", "fraud", "legit", "legit"], SCHEMA.classes),
    probabilities=np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3], [0.5, 0.5]]),
    labels=category(["fraud", "legit", "legit", None], SCHEMA.classes),
    attributes={"fee": category(["1.5", "2", "free", None])},
)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("sum(a)", 15.0),
        ("mean(a)", 3.75),
        ("min(a) + max(a)", 9.0),
        ("count()", 4.0),
        ("count(a > 1)", 3.0),
        ("count(b > 1)", 1.0),
        ("mean(b)", 1.0),
        ("sum(a + b)", 16.0),
        ("ratio(a, b)", 13.0 / 3.0),
        ("sum(a) / sum(b)", 5.0),
        ("-sum(a) - 2 * (3 - count())", -13.0),
        ("abs(-sum(a)) / 2", 7.5),
        ("sum(abs(a - 4))", 9.0),
        ("sum(a / b)", 0.5 + 4.0),  # 8 / 0 is not known, nor is 2 / missing
        ('count(word == "x")', 2.0),
        ('count(word != "x")', 1.0),
        ('count(not word == "x")', 1.0),
        ('count(word in ("x", "y"))', 3.0),
        ('count(word not in ["y"])', 2.0),
        ("count(a in (1, 8))", 2.0),
        ("count(1 < a <= 4)", 2.0),
        ("count(prediction == label)", 2.0),
        ("count(prediction != label) / count(label == label)", 1.0 / 3.0),
        ('count(prediction == "fraud" and label == "legit")', 1.0),
        ('count(label == "fraud" or a > 2)', 3.0),
        ("sum(fee)", 3.5),
        ("count(fee >= 2)", 1.0),
        ('count(fee == "free")', 1.0),
        ('sum(probability("legit"))', 1.5),
        ("sum(probability())", 2.5),
        ("count(a and b)", 2.0),
        ("sum(column('a'))", 15.0),
        ("sum(nowhere)", None),
        ("count() / (count() - 4)", None),
        ("sum(a * 1e308) * 10", None),
        ("ratio(a, a - a)", None),
        ("mean(b / (b - b))", None),
        ("sum(\n  a\n)", 15.0),
    ],
)
def test_by_hand(formula, expected):
    assert value(formula, SMALL) == (expected if expected is None else pytest.approx(expected, rel=1e-12))


def test_a_missing_part_decides_nothing_that_the_rest_does():
    """Kleene's logic: the fourth row has no label and no word."""
    assert value('count(word == "x" and a < 8)', SMALL) == 2.0
    result = Expression('count(word == "x" and a < 8) + count(word == "x" or a > 7)').compute(SMALL)
    assert list(result.details["left_out"].values()) == [0, 0]
    assert result.values["expression"] == 2.0 + 3.0
    assert Expression('count(word == "x" and a > 7)').compute(SMALL).details["left_out"] == {
        "count(word == 'x' and a > 7)": 1
    }


def test_regression_reads_numbers():
    schema = Schema(task="regression")
    batch = Batch({}, schema, prediction=numeric([1.0, 2.0, 5.0]), labels=numeric([1.0, 4.0, None]))
    assert value("mean(abs(label - prediction))", batch) == 1.0
    assert value("count(label == prediction)", batch) == 1.0
    assert value("count(prediction == 2)", batch) == 1.0


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", r"invalid syntax|column 1"),
        ("sum(a", r"column 4: '\(' was never closed"),
        ("a + sum(b)", r"column 1: 'a' stands outside of an aggregation; write sum\(a\)"),
        ("1 + 2", "nothing is aggregated"),
        ("sum(sum(a))", r"column 5: sum\(...\) stands in another aggregation"),
        ("total(a)", r"column 1: 'total' is no function"),
        ("sun(a)", "did you mean 'sum'"),
        ("sum(a, b)", "sum takes 1 arguments"),
        ("ratio(a)", "ratio takes 2 arguments"),
        ("count(a, b)", "count takes 0 or 1 arguments"),
        ("sum(x=a)", "without names"),
        ("sum(*a)", "not allowed"),
        ("sum(a ** 2)", r"column 5: a \*\* 2: allowed operators"),
        ("sum(a % 2)", "allowed operators"),
        ("sum(a @ b)", "allowed operators"),
        ("sum(a is b)", "allowed comparisons"),
        ("sum('x')", "is a text"),
        ("sum(a + 'x')", "is a text"),
        ("count('x' < a)", "a text is compared with a column, by == or !="),
        ("count(abs(a) == 'x')", "a text is compared with a column"),
        ("count(a in b)", "in takes a column and a list"),
        ("count(a in ())", "in takes a column and a list"),
        ("count(a in (b,))", "not allowed in a list"),
        ("count(abs(a) in ('x',))", "with a column only"),
        ("sum(a.real)", "not allowed"),
        ("sum(a[0])", "not allowed"),
        ("sum(a if b else c)", "not allowed"),
        ("sum([a for a in b])", "not allowed"),
        ("sum(lambda: 1)", "not allowed"),
        ("sum((a := 3))", "not allowed"),
        ("sum(f'{a}')", "not allowed"),
        ("__import__('os').system('true')", "is no function"),
        ("sum(__import__('os'))", "is no function"),
        ("(lambda: 0)()", "is no function"),
        ("sum(a) if 1 else 2", "not allowed outside"),
        ("sum(a) == 3", "not allowed outside"),
        ("sum(True)", "True is not allowed"),
        ("sum(None)", "None is not allowed"),
        ("sum(1j)", "1j is not allowed"),
        ("sum(b'x')", "not allowed"),
        ("sum(1e999)", "not allowed"),
        ("sum(" + "9" * 400 + ")", "not allowed"),
        ("sum(column(a))", "a text in quotes is expected"),
        ("sum(probability(1))", "a text in quotes is expected"),
        ("column('a')", "stands outside of an aggregation"),
        ("sum(a); import os", "invalid syntax"),
        ("sum(a)\0", "cannot be read|null bytes"),
        ("sum(" + "-" * 60 + "a)", f"nested deeper than {MAX_DEPTH}"),
        ("(" * 300 + "sum(a)" + ")" * 300, "too many nested"),
        ("sum(a" + "+a" * MAX_NODES + ")", f"more than {MAX_NODES} parts"),
        ("sum(" + "a" * MAX_LENGTH + ")", f"allowed: {MAX_LENGTH}"),
        ("sum(ä) + total(ä)", "column 10: 'total' is no function"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(formula, message):
    with pytest.raises(ValueError, match=message) as caught:
        Expression(formula)
    assert str(caught.value).startswith("expression: formula ")


@FEW
@given(st.text(max_size=60))
def test_any_text_is_a_formula_or_a_clear_error(text):
    try:
        made = Expression(text)
    except ValueError as error:
        assert str(error).startswith("expression: formula")  # noqa: PT017  either way is fine
    else:
        assert made.create()["rows"] == 0


def test_a_class_that_does_not_exist_is_refused_when_the_schema_is_known():
    for formula in ('count(prediction == "fruad")', 'count(label in ("legit", "fruad"))', 'mean(probability("fruad"))'):
        with pytest.raises(ValueError, match="'fruad' is none of the classes; did you mean 'fraud'"):
            Expression(formula).bind(SCHEMA)
    with pytest.raises(ValueError, match="needs classes"):
        Expression("mean(probability())").bind(Schema(task="regression"))


def test_it_needs_what_the_formula_reads():
    needs = Expression("sum(amount)").tags
    assert not any((needs.needs_labels, needs.needs_prediction, needs.needs_probabilities))
    full = Expression("sum(amount * (prediction == label)) + mean(probability())").bind(SCHEMA).tags
    assert full.needs_labels
    assert full.needs_prediction
    assert full.needs_probabilities
    assert Expression.tags == Expression("sum(amount)").tags
    assert Expression("sum(amount + column('hours-per-week') + label)").kept_columns() == ("amount", "hours-per-week")
    changed = Expression("sum(amount)").set_params(formula="count(label == label)").bind(SCHEMA)
    assert changed.tags.needs_labels


def test_no_rows_and_rows_without_labels_are_not_zero():
    part = Expression(FRAUD).bind(SCHEMA)
    for batch in (rows(0), rows(20).replace(labels=None, prediction=None, inputs={})):
        result = part.result(part.add(part.create(), batch), CTX)
        assert result.values == {"expression": None}
        assert result.status == "insufficient"


def test_every_total_survives_shards_and_bytes(merged):
    formula = "sum(amount)+mean(amount)+min(amount)+max(amount)+count()+count(amount > 1)+ratio(amount, fee)"
    batch = rows(300, 3, 0.2)
    part = Expression(formula).bind(SCHEMA)
    whole = part.result(part.add(part.create(), batch), CTX)
    assert len(whole.details["totals"]) == 7
    assert None not in whole.details["totals"].values()
    split = part.result(decode(encode(merged(part, batch, 1))), CTX)
    for name, total in whole.details["totals"].items():
        assert split.details["totals"][name] == pytest.approx(total, rel=1e-12)
    assert math.isfinite(split.values["expression"])
