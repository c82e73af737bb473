"""quantile: exact while rows are few, within the stated rank error beyond, merged or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.components.metrics.quantile import Quantile
from vedette_specs import Batch, ResultContext, category, numeric
from vedette_specs.codec import decode, encode

CTX = ResultContext()
LEVELS = [0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0]
FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rank_error(values: np.ndarray, answer: float, q: float) -> float:
    """Distance of q from the ranks that `answer` covers among `values` (zero inside a tie)."""
    low, high = np.mean(values < answer), np.mean(values <= answer)
    return max(low - q, q - high, 0.0)


@FAST
@given(n=st.integers(1, 500), seed=st.integers(0, 1000), ties=st.booleans())
def test_up_to_512_rows_it_is_exact(n, seed, ties, merged):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, n).astype(float) if ties else rng.normal(size=n)
    part = Quantile(q=0.3)
    result = part.result(merged(part, Batch({"x": numeric(x)}), seed), CTX)
    assert result.values["quantile"]["x"] == np.quantile(x, 0.3, method="inverted_cdf")
    assert result.details["rank_error"] == 0.0


@pytest.mark.parametrize("shape", ["normal", "lognormal", "ties", "sorted", "bimodal"])
def test_merged_within_the_stated_rank_error(shape, merged):
    rng = np.random.default_rng(1)
    n = 30_000
    x = {
        "normal": rng.normal(size=n),
        "lognormal": rng.lognormal(sigma=3.0, size=n),
        "ties": rng.integers(0, 5, n).astype(float),
        "sorted": np.sort(rng.normal(size=n)),
        "bimodal": np.where(rng.random(n) < 0.5, -100.0, 100.0) + rng.normal(size=n),
    }[shape]
    part = Quantile(q=LEVELS)
    for state in (part.add(part.create(), Batch({"x": numeric(x)})), merged(part, Batch({"x": numeric(x)}), shards=8)):
        result = part.result(state, CTX)
        bound = result.details["rank_error"]
        assert 0.0 < bound < 0.0134
        for q, name in zip(LEVELS, ["q0", "q1", "q25", "q50", "q90", "q99_9", "q100"], strict=True):
            # the bound holds for a level with 99 %: 14 levels at twice the bound leave no room for chance
            assert rank_error(x, result.values[name]["x"], q) <= 2 * bound


@pytest.mark.slow
def test_the_stated_bound_holds_for_99_of_100_answers():
    rng = np.random.default_rng(2)
    part = Quantile(q=0.5)
    errors = []
    for _ in range(400):
        x = rng.normal(size=5000)
        state = part.create()
        for piece in np.array_split(x, 7):
            state = part.add(state, Batch({"x": numeric(piece)}))
        errors.append(rank_error(x, part.result(state, CTX).values["quantile"]["x"], 0.5))
    assert np.mean(np.array(errors) <= 0.0133) >= 0.98


def test_missing_values_are_counted_and_not_ranked(merged):
    rng = np.random.default_rng(3)
    x = rng.normal(size=3000)
    x[rng.random(3000) < 0.4] = np.nan
    batch = Batch({"x": numeric(x), "gone": numeric(np.full(3000, np.nan))})
    part = Quantile()
    for state in (part.add(part.create(), batch), merged(part, batch)):
        result = part.result(state, CTX)
        assert result.details["missing"] == {"x": int(np.isnan(x).sum()), "gone": 3000}
        assert rank_error(x[~np.isnan(x)], result.values["quantile"]["x"], 0.5) < 0.03
        assert result.values["quantile"]["gone"] is None


def test_infinite_values_are_ranked():
    result = Quantile(q=[0.0, 1.0]).compute(Batch({"x": numeric([1.0, np.inf, -np.inf])}))
    assert result.values == {"q0": {"x": -np.inf}, "q100": {"x": np.inf}}
    assert result.to_json()["values"] == {"q0": {"x": None}, "q100": {"x": None}}


def test_many_single_rows_are_as_good_as_one_batch():
    rng = np.random.default_rng(4)
    x = rng.normal(size=1500)
    part = Quantile(q=0.9)
    state = part.create()
    for value in x:
        state = part.add(state, Batch({"x": numeric([value])}))
        assert len(state["chunks"]) <= 33
    assert rank_error(x, part.result(state, CTX).values["quantile"]["x"], 0.9) < 0.03


def test_state_is_bounded():
    rng = np.random.default_rng(5)
    part = Quantile()
    state = part.create()
    for _ in range(60):
        state = part.add(state, Batch({"x": numeric(rng.normal(size=4000)), "y": numeric(rng.normal(size=4000))}))
    assert len(encode(state)) < 2 * 8000


def test_merging_with_nothing_and_other_columns(merged):
    part = Quantile()
    left = part.add(part.create(), Batch({"x": numeric([1.0, 2.0, 3.0])}))
    assert part.result(part.merge(left, part.create()), CTX) == part.result(left, CTX)
    right = part.add(part.create(), Batch({"y": numeric(np.arange(2000.0))}))
    for state in (part.merge(left, right), part.merge(right, left)):
        values = part.result(decode(encode(state)), CTX).values["quantile"]
        assert values["x"] == 2.0
        assert abs(values["y"] - 1000) < 60


def test_no_rows_is_not_zero():
    part = Quantile(q=[0.5])
    for state in (part.create(), part.add(part.create(), Batch({"x": numeric([])}))):
        result = part.result(state, CTX)
        assert result.status == "insufficient"
        assert result.values == {"q50": None}


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"q is 1\.5; allowed: 0 to 1"):
        Quantile(q=[0.5, 1.5])
    with pytest.raises(ValueError, match="k is 1"):
        Quantile(k=1)
    batch = Batch({"x": numeric([1.0]), "c": category(["a"])})
    assert set(Quantile(columns=["x"]).compute(batch).values["quantile"]) == {"x"}
    with pytest.raises(ValueError, match="column 'c' is category"):
        Quantile(columns=["c"]).compute(batch)
