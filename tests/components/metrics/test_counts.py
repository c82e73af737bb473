"""missing_rate and frequencies: counts, exact however they are merged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.components.metrics._categories import distinct
from vedette.components.metrics.frequencies import Frequencies
from vedette.components.metrics.missing_rate import MissingRate
from vedette_specs import Batch, Column, ResultContext, category, numeric, tensor, text
from vedette_specs.codec import encode

CTX = ResultContext()
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def every_kind() -> Batch:
    image = np.ones((4, 2, 2))
    image[3] = np.nan
    return Batch(
        {
            "n": numeric([1.0, None, np.inf, 2.0]),
            "c": category(["a", None, "b", None]),
            "t": text([None, None, None, "words"]),
            "i": tensor("image", image),
            "e": tensor("embedding", np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 0.0], [1.0, 1.0]])),
        }
    )


def test_missing_values_of_every_kind(merged):
    part = MissingRate()
    for state in (part.add(part.create(), every_kind()), merged(part, every_kind())):
        result = part.result(state, CTX)
        assert result.values["missing_rate"] == {"n": 0.25, "c": 0.5, "t": 0.75, "i": 0.25, "e": 0.25}
        assert result.values["overall_missing_rate"] == pytest.approx(8 / 20)
        assert result.details["missing"] == {"n": 1, "c": 2, "t": 3, "i": 1, "e": 1}


def test_missing_rate_of_named_columns():
    result = MissingRate(columns=["t"]).compute(every_kind())
    assert result.values == {"missing_rate": {"t": 0.75}, "overall_missing_rate": 0.75}
    with pytest.raises(ValueError, match="column 'q' is not in the batch"):
        MissingRate(columns=["q"]).compute(every_kind())


@FAST
@given(
    rows=st.lists(st.tuples(st.none() | st.floats(), st.none() | st.sampled_from("abc")), max_size=80),
    seed=st.integers(0, 1000),
)
def test_missing_rate_merges_exactly(rows, seed, merged):
    batch = Batch({"x": numeric([r[0] for r in rows]), "c": category([r[1] for r in rows])})
    part = MissingRate()
    whole = part.compute(batch)
    assert part.result(merged(part, batch, seed), CTX) == whole
    if rows:
        assert whole.values["missing_rate"]["c"] == sum(r[1] is None for r in rows) / len(rows)


@pytest.mark.parametrize("part", [MissingRate(), Frequencies()], ids=lambda p: type(p).__name__)
def test_nothing_seen_is_not_zero(part):
    for state in (part.create(), part.add(part.create(), Batch({"c": category([])}))):
        result = part.result(state, CTX)
        assert result.status == "insufficient"
        assert set(result.values.values()) == {None}


@FAST
@given(
    rows=st.lists(st.none() | st.text(max_size=3), max_size=120),
    seed=st.integers(0, 1000),
    limit=st.sampled_from([2, 5, 1000]),
)
def test_frequencies_merge_exactly_even_where_the_rest_is_other(rows, seed, limit, merged):
    batch = Batch({"c": category(rows)})
    part = Frequencies(top=1000, max_categories=limit)
    whole = part.compute(batch)
    assert part.result(merged(part, batch, seed), CTX) == whole
    counts = Counter(r for r in rows if r is not None)
    total = sum(counts.values())
    if not total:
        assert whole.status == "insufficient"
        return
    shares = whole.values["share"]
    assert len(shares) == min(limit, len(counts))
    for key, share in shares.items():
        assert share == counts[key.removeprefix("c=")] / total
    assert sum(shares.values()) + whole.values["other"]["c"] == pytest.approx(1.0)
    assert whole.details["missing"] == {"c": rows.count(None)}
    if len(counts) <= limit:
        assert whole.values["distinct"] == {"c": len(counts)}


def test_frequencies_by_hand():
    batch = Batch({"work": category(["a", "b", "a", None, "a"]), "x": numeric([1, 2, 3, 4, 5])})
    result = Frequencies().compute(batch)
    assert result.values["share"] == {"work=a": 0.75, "work=b": 0.25}
    assert result.values["other"] == {"work": 0.0}
    assert result.n == 5


def test_only_the_commonest_are_shown_ties_by_name():
    batch = Batch({"c": category(list("aaabbcdd"))})
    values = Frequencies(top=2).compute(batch).values
    assert values["share"] == {"c=a": 3 / 8, "c=b": 2 / 8}
    assert values["other"] == {"c": 3 / 8}
    assert values["distinct"] == {"c": 4.0}


def test_categories_that_never_occur_are_not_listed():
    batch = Batch({"c": Column("category", np.array([0, 0], dtype=np.int32), ("a", "b"))})
    assert Frequencies().compute(batch).values["share"] == {"c=a": 1.0}


def test_state_is_bounded_and_distinct_is_estimated():
    rng = np.random.default_rng(0)
    part = Frequencies(max_categories=256)
    state = part.create()
    for _ in range(5):
        names = tuple(f"user-{i}" for i in rng.integers(0, 20_000, 4000))
        state = part.add(state, Batch({"c": category(names)}))
    assert len(encode(state)) < 20_000
    true = 20_000 * (1 - np.exp(-1))
    estimate = part.result(state, CTX).values["distinct"]["c"]
    assert abs(estimate / true - 1) < 4 / np.sqrt(254)
    assert distinct({"names": ["a"], "counts": [1], "other": 0}, 256) == 1.0


def test_names_that_no_key_could_hold_survive_the_codec(merged):
    batch = Batch({"c": category(["\x00odd", "", "=", "\x00odd"])})
    part = Frequencies()
    assert part.result(merged(part, batch), CTX).values["share"] == {"c=\x00odd": 0.5, "c=": 0.25, "c==": 0.25}


def test_options_are_checked():
    with pytest.raises(ValueError, match="max_categories is 1"):
        Frequencies(max_categories=1)
    with pytest.raises(ValueError, match="top is 0"):
        Frequencies(top=0)
    with pytest.raises(ValueError, match="column 'x' is numeric; allowed: category"):
        Frequencies(columns=["x"]).compute(Batch({"x": numeric([1.0])}))
