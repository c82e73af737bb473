"""Ranks that stay uniform in bounded memory, thresholds from the literature, and budgets that hold in simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from vedette.engine.change_points import cusum, ranking
from vedette.engine.change_points.ranking import Ranking
from vedette.engine.change_points.watching import ALLOWANCES, BURN_IN, Method, Watch
from vedette_specs import Floats

METHODS: tuple[Method, ...] = ("cusum", "page_hinkley", "conformal")
STREAMS = 200
Draw = Callable[[np.random.Generator, int], Floats]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0.8, 0.01, n),
    "heavy": lambda rng, n: rng.standard_cauchy(n),
    "discrete": lambda rng, n: rng.binomial(20, 0.05, n) / 20,
}


def ranked(values: Floats, seed: int = 0) -> Floats:
    rng = np.random.default_rng(10_000 + seed)  # not that of the values
    found, state = [], Ranking.empty()
    for value in values:
        p, state = state.rank(float(value), rng.random())
        found.append(p)
    assert state.seen == len(values)
    assert len(state.values) <= ranking.KEPT
    return np.array(found)


def alarms(values: Floats, method: Method, run_length: float, seed: int) -> list[int]:
    """Positions of the values that alarmed."""
    rng = np.random.default_rng(10_000 + seed)  # not that of the values
    watch, found = Watch.start(method, "key"), []
    for position, value in enumerate(values):
        watch, look = watch.feed(float(value), float(position), method, run_length, rng)
        if look.alarm:
            found.append(position)
    assert watch.restarts == len(found)
    return found


def test_a_rank_is_that_among_all_values_before() -> None:
    values = np.random.default_rng(0).normal(size=60)
    uniforms = np.random.default_rng(10_001).random(60)
    expected = [(np.sum(values[:t] < values[t]) + uniforms[t]) / (t + 1) for t in range(60)]
    np.testing.assert_allclose(ranked(values, 1), expected)


def test_equal_values_are_ranked_among_themselves_by_chance() -> None:
    state = Ranking.empty()
    for value in (1.0, 2.0, 2.0, 3.0):
        _, state = state.rank(value, 0.5)
    assert state.rank(2.0, 0.0)[0] == pytest.approx(1 / 5)
    assert state.rank(2.0, 1.0)[0] == pytest.approx(4 / 5)
    assert (state.values.tolist(), state.equal.tolist()) == ([1.0, 2.0, 3.0], [1, 2, 1])


@pytest.mark.parametrize("name", DRAWS)
def test_ranks_are_uniform_and_independent_long_after_the_memory_is_full(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "KEPT", 30)
    p = np.concatenate([ranked(DRAWS[name](np.random.default_rng(s), 200), s)[40:] for s in range(60)])
    assert stats.kstest(p, "uniform").pvalue > 0.001
    by_stream = p.reshape(60, -1) - 0.5
    for lag in (1, 2, 10):
        together = (by_stream[:, lag:] * by_stream[:, :-lag]).mean() * 12
        assert abs(together) < 4 / np.sqrt(by_stream[:, lag:].size)
    means = by_stream.mean(axis=1) * np.sqrt(12 * by_stream.shape[1])  # a shared reference would make these too wide
    assert stats.kstest(means, "norm").pvalue > 0.001


@pytest.mark.parametrize(("h", "arl"), [(4.0, 168.0), (5.0, 465.0), (3.0, 58.8), (2.0, 19.3)])
def test_run_lengths_of_the_literature(h: float, arl: float) -> None:
    """Two-sided, k = 1/2: Lucas & Crosier (Technometrics 1982), table 1; Brook & Evans (1972)."""
    assert cusum.average_run_length(h, 0.5) / 2 == pytest.approx(arl, rel=0.005)


@pytest.mark.parametrize("allowance", ALLOWANCES.values())
@pytest.mark.parametrize("run_length", [10.0, 500.0, 1e4, 1e9])
def test_a_threshold_has_the_run_length_that_is_asked_for(allowance: float, run_length: float) -> None:
    h = cusum.threshold(run_length, allowance)
    assert cusum.average_run_length(h, allowance) / 2 == pytest.approx(run_length, rel=1e-6)


def test_the_first_values_are_only_ranked() -> None:
    watch, rng = Watch.start("cusum", "key"), np.random.default_rng(0)
    for position in range(BURN_IN):
        watch, look = watch.feed(float(position), 0.0, "cusum", 100.0, rng)  # a trend, plain to see
        assert (look.alarm, look.statistic, look.values) == (None, None, position + 1)
    assert not watch.sums.any()
    watch, look = watch.feed(BURN_IN, 0.0, "cusum", 100.0, rng)
    assert look.alarm is False
    assert look.direction == "up"


@pytest.mark.parametrize("method", METHODS)
def test_memory_is_bounded_and_goes_through_bytes(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "KEPT", 50)
    rng, draws = np.random.default_rng(0), np.random.default_rng(1)
    watch, sizes = Watch.start(method, "key"), []
    for value in draws.normal(size=400):
        watch, _ = watch.feed(value, 1.0, method, 1e9, rng)
        data = watch.to_bytes()
        again = Watch.from_bytes(data, method, "key")
        assert again is not None
        assert again.to_bytes() == data
        sizes.append(len(data))
    assert sizes[-1] == sizes[100]
    other = Watch.from_bytes(sizes and watch.to_bytes(), method, "another")
    assert other is not None
    assert other.ranking.seen == 0
    assert Watch.from_bytes(Watch.start(method, "key", 7).to_bytes(), method, "key", 6) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("method", METHODS)
def test_without_a_change_the_budget_holds(method: Method, name: str) -> None:
    """200 streams of 300 values at 1 false alarm per 100: at most 600, and three standard errors."""
    length, run_length = 300, 100.0
    count = sum(
        len(alarms(DRAWS[name](np.random.default_rng(s), length), method, run_length, s)) for s in range(STREAMS)
    )
    expected = STREAMS * length / run_length
    assert count <= expected + 3 * np.sqrt(expected)
    assert count >= (0.1 if method == "conformal" else 0.6) * expected  # the budget is used


@pytest.mark.slow
@pytest.mark.parametrize(("method", "most"), [("cusum", 7), ("page_hinkley", 9), ("conformal", 15)])
def test_a_shift_of_one_and_a_half_deviations_is_found_soon(method: Method, most: float) -> None:
    """After 100 values, at 1 false alarm per 500. The medians stand in docs/configuration.md: 5, 7 and 13."""
    delays = []
    for s in range(STREAMS):
        rng = np.random.default_rng(s)
        values = np.r_[rng.normal(0.0, 1.0, 100), rng.normal(1.5, 1.0, 60)]
        found = alarms(values, method, 500.0, s)
        if not found or found[0] >= 100:
            delays.append(found[0] - 99 if found else np.inf)
    assert len(delays) > 0.8 * STREAMS
    assert np.median(delays) <= most
    assert np.isfinite(delays).mean() > 0.98
