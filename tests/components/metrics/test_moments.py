"""moments against scipy, one pass and merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.components.metrics.moments import Moments
from vedette_specs import Batch, ResultContext, category, numeric
from vedette_specs.codec import encode

CTX = ResultContext()
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def columns(n: int, d: int, seed: int, missing: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, size=(n, d)) * rng.uniform(0.1, 1000.0, d) + rng.normal(0, 100, d)
    x[rng.random((n, d)) < missing] = np.nan
    return Batch({f"x{i}": numeric(np.ascontiguousarray(x[:, i])) for i in range(d)})


def check(values, name, x):
    present = x[np.isfinite(x)]
    assert values["n"][name] == len(present)
    if len(present) == 0:
        assert all(values[key][name] is None for key in ("mean", "sd", "min", "max", "skew", "kurtosis"))
        return
    assert values["mean"][name] == pytest.approx(present.mean(), rel=1e-12)
    assert values["min"][name] == present.min()
    assert values["max"][name] == present.max()
    if len(present) > 1:
        assert values["sd"][name] == pytest.approx(present.std(ddof=1), rel=1e-11)
    if len(set(present)) > 2:
        assert values["skew"][name] == pytest.approx(stats.skew(present), rel=1e-9, abs=1e-9)
        assert values["kurtosis"][name] == pytest.approx(stats.kurtosis(present), rel=1e-9, abs=1e-9)


@FAST
@given(n=st.integers(1, 300), seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.1, 0.9]))
def test_merged_equals_scipy(n, seed, missing, merged):
    batch = columns(n, 3, seed, missing)
    part = Moments()
    result = part.result(merged(part, batch, seed), CTX)
    if not any(np.isfinite(c.values).any() for c in batch.inputs.values()):
        assert result.status == "insufficient"
        return
    for name, column in batch.inputs.items():
        check(result.values, name, column.values)


@FAST
@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0]), max_size=60),
    seed=st.integers(0, 100),
)
def test_any_floats_merge_to_what_one_pass_says(values, seed, merged):
    batch = Batch({"x": numeric(np.array(values, dtype=float))})
    part = Moments()
    whole, parts = part.compute(batch), part.result(merged(part, batch, seed), CTX)
    assert parts.n == whole.n == len(values)
    assert parts.details == whole.details
    for key in ("n", "min", "max"):
        assert parts.values[key] == whole.values[key]
    if whole.values["mean"] is not None and whole.values["mean"]["x"] is not None:
        finite = np.array(values, dtype=float)[np.isfinite(values)]
        scale = np.abs(finite).max() or 1.0
        assert parts.values["mean"]["x"] == pytest.approx(whole.values["mean"]["x"], abs=1e-12 * scale)
        if len(finite) > 1:
            # rounding of the mean by one part in 1e16 of the scale is all that merging may add
            assert parts.values["sd"]["x"] == pytest.approx(whole.values["sd"]["x"], abs=1e-12 * scale)


def test_missing_and_infinite_values_are_left_out_and_counted():
    batch = Batch({"x": numeric([1.0, np.nan, 3.0, np.inf, -np.inf, None])})
    result = Moments().compute(batch)
    assert result.values["mean"] == {"x": 2.0}
    assert result.values["n"] == {"x": 2.0}
    assert result.details == {"missing": {"x": 2}, "infinite": {"x": 2}}
    assert result.n == 6


def test_no_rows_and_no_values_are_not_zero(merged):
    part = Moments()
    empty = Batch({"x": numeric([])})
    for state in (part.create(), part.add(part.create(), empty), merged(part, empty)):
        result = part.result(state, CTX)
        assert result.status == "insufficient"
        assert set(result.values.values()) == {None}
    gone = part.compute(Batch({"x": numeric([np.nan, np.nan])}))
    assert gone.status == "insufficient"
    half = part.compute(Batch({"x": numeric([np.nan]), "y": numeric([4.0])}))
    assert half.values["mean"] == {"x": None, "y": 4.0}
    assert half.values["sd"] == {"x": None, "y": None}


def test_a_constant_column_has_no_shape():
    values = Moments().compute(Batch({"x": numeric([5.0] * 10)})).values
    assert values["sd"] == {"x": 0.0}
    assert values["skew"] == {"x": None}
    assert values["kurtosis"] == {"x": None}


def test_far_from_zero_keeps_its_digits(merged):
    # the textbook sum of squares loses all digits here
    rng = np.random.default_rng(0)
    x = 1e9 + rng.normal(size=5000)
    part = Moments()
    result = part.result(merged(part, Batch({"x": numeric(x)})), CTX)
    assert result.values["sd"]["x"] == pytest.approx(np.std(x - 1e9, ddof=1), rel=1e-9)


def test_the_largest_floats_do_not_overflow_the_mean():
    top = np.finfo(float).max
    result = Moments().compute(Batch({"x": numeric([top, top, top])}))
    assert result.values["mean"]["x"] == pytest.approx(top)


def test_only_numeric_columns_and_only_those_named():
    batch = Batch({"x": numeric([1.0]), "y": numeric([2.0]), "c": category(["a"])})
    assert set(Moments().compute(batch).values["mean"]) == {"x", "y"}
    assert set(Moments(columns=["y"]).compute(batch).values["mean"]) == {"y"}
    with pytest.raises(ValueError, match="column 'z' is not in the batch"):
        Moments(columns=["z"]).compute(batch)
    with pytest.raises(ValueError, match="column 'c' is category; allowed: numeric"):
        Moments(columns=["c"]).compute(batch)


def test_batches_with_other_columns_are_united():
    part = Moments()
    left = part.add(part.create(), Batch({"x": numeric([1.0, 2.0])}))
    right = part.add(part.create(), Batch({"y": numeric([5.0]), "x": numeric([3.0])}))
    for state in (part.merge(left, right), part.merge(right, left)):
        assert part.result(state, CTX).values["mean"] == {"x": 2.0, "y": 5.0}
    assert encode(part.merge(left, right)) == encode(part.merge(right, left))


def test_integers_in_a_column_are_numbers():
    batch = Batch({"x": numeric(np.arange(10))})
    assert Moments().compute(batch).values["mean"] == {"x": 4.5}
