"""Spreads of numbers far from zero lose no digits, whatever shards the rows are in."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vedette
from vedette_specs import Batch, Metric, ResultContext, State, numeric

CTX = ResultContext()
OFFSETS = [0.0, 1e4, -1e8, 1e12]


def in_shards(metric: Metric, batch: Batch, cuts: list[int]) -> State:
    """The rows cut at these places, each part counted alone, and merged from the last to the first."""
    edges = [0, *sorted({cut % len(batch) for cut in cuts}), len(batch)]
    state = metric.create()
    for low, high in zip(edges[-2::-1], edges[:0:-1], strict=True):
        part = batch.take(np.arange(low, high))
        state = metric.merge(metric.add(metric.create(), part), state)
    return state


def central(x: np.ndarray, y: np.ndarray) -> Fraction:
    """Sum of products of deviations from the means, without rounding."""
    a, b = [Fraction(v) for v in x.tolist()], [Fraction(v) for v in y.tolist()]
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0)) - sum(a) * sum(b) / len(a)


@pytest.mark.parametrize("offset", OFFSETS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(1, 10_000), max_size=40))
def test_explained_spread(offset: float, seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    truth = offset + rng.normal(size=150)
    answer = truth + rng.normal(0.1, 0.5, 150)
    batch = Batch({}, labels=numeric(truth), prediction=numeric(answer))
    error = truth - answer
    spread, left = central(truth, truth), central(error, error)
    squares = sum((Fraction(e) ** 2 for e in error.tolist()), Fraction(0))
    for name, unexplained in (("explained_variance", left), ("r2", squares)):
        metric = vedette.make(name)
        found = metric.result(in_shards(metric, batch, cuts), CTX).values[name]
        assert found == pytest.approx(float(1 - unexplained / spread), abs=1e-12), name


@pytest.mark.parametrize("offset", OFFSETS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(1, 10_000), max_size=40))
def test_covariances(offset: float, seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    a = offset + rng.normal(size=150)
    b = a - offset + rng.normal(size=150)
    metric = vedette.make("covariance")
    found = metric.result(in_shards(metric, Batch({"a": numeric(a), "b": numeric(b)}), cuts), CTX).values["covariance"]
    for key, exact in (("a,a", central(a, a)), ("a,b", central(a, b)), ("b,b", central(b, b))):
        assert found[key] == pytest.approx(float(exact / 149), abs=4e-12), key
