"""Thresholds from history: alarms counted as the engine counts them, and a budget that the next history keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.traffic import AlertSpec

from vedette.config.budgets import parse_budget
from vedette.engine.reduce.alerts import advance
from vedette.engine.tuning.report import DAY, History, TooShort
from vedette.engine.tuning.series import Series, Threshold, firings, threshold_of
from vedette.engine.tuning.thresholds import propose
from vedette.store.results import AlertState

ABOVE = AlertSpec("r", "x > 1", "m")


@pytest.mark.parametrize(
    ("when", "sign", "value", "again"),
    [
        ("roc_auc < 0.7", "<", 0.7, "roc_auc < 0.5"),
        ("0.7 > roc_auc", "<", 0.7, "roc_auc < 0.5"),
        ('mean("age") - reference(mean("age")) >= -2', ">=", -2.0, 'mean("age") - reference(mean("age")) >= 0.5'),
        ("a / b + 1 <= 3", "<=", 3.0, "a / b + 1 <= 0.5"),
        ("a > 1.2 * reference(a)", ">", 0.0, "a - 1.2 * reference(a) > 0.5"),
        ("a + 1 < b - 2", "<", 0.0, "a + 1 - (b - 2) < 0.5"),
    ],
)
def test_rules_with_a_threshold(when: str, sign: str, value: float, again: str) -> None:
    found = threshold_of(AlertSpec("r", when, "m"))
    assert found is not None
    assert (found.sign, found.value, found.rule(0.5)) == (sign, value, again)


@pytest.mark.parametrize("when", ["drifted", "a == 1", "a < 1 and b < 2", "1 < 2", "not a < 1", "a > 2 * 3"])
def test_rules_without_one(when: str) -> None:
    assert threshold_of(AlertSpec("r", when, "m")) is None
    assert threshold_of(AlertSpec("r", "a", "m", change="cusum")) is None


def test_a_negative_threshold_is_written_as_one() -> None:
    found = threshold_of(ABOVE)
    assert found is not None
    assert found.rule(-0.25) == "x > -0.25"


def series(values: list[float], step: float = 10.0) -> Series:
    return Series(step * np.arange(1.0, len(values) + 1), np.array(values, dtype=np.float64))


def as_the_engine_counts(one: Series, threshold: float, rule: AlertSpec) -> int:
    state, count = AlertState(), 0
    for time, value in zip(one.times.tolist(), one.values.tolist(), strict=True):
        state, change = advance(state, value >= threshold, time, rule)
        count += change == "firing"
    return count


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.sampled_from([(1, 0.0), (2, 0.0), (3, 0.0), (1, 15.0), (1, 20.0)]),
    st.sampled_from([(1, 0.0), (2, 0.0), (4, 0.0), (1, 15.0), (1, 30.0)]),
)
def test_firings_are_those_of_the_engine(holds: list[bool], hold: tuple[int, float], keep: tuple[int, float]) -> None:
    rule = AlertSpec("r", "x > 1", "m", "warn", *hold, *keep)
    one = series([float(h) for h in holds])
    assert firings(one, np.array(holds), rule) == as_the_engine_counts(one, 0.5, rule)


def brute(all_series: list[Series], rule: AlertSpec, at_most: int) -> float:
    """The least value such that no threshold from the top down to it alarms too often or half of the time."""
    values = sorted({v for one in all_series for v in one.values.tolist()}, reverse=True)
    total, best = sum(len(one.values) for one in all_series), np.inf
    for value in values:
        count = sum(as_the_engine_counts(one, value, rule) for one in all_series)
        if count > at_most or sum((one.values >= value).sum() for one in all_series) > total / 2:
            break
        best = value
    return float(best)


LONG = AlertSpec("r", "x > 1", "m", for_count=2)
KEPT = AlertSpec("r", "x > 1", "m", keep_count=5)


@pytest.mark.parametrize("rule", [ABOVE, LONG, KEPT])
@pytest.mark.parametrize("allowed", [1.0, 3.0, 8.5])
def test_the_proposal_is_the_least_strict_that_keeps_the_budget(rule: AlertSpec, allowed: float) -> None:
    rng = np.random.default_rng(3)
    both = [series(np.cumsum(rng.normal(size=150)).tolist()), series(rng.normal(size=90).tolist())]
    threshold = threshold_of(rule)
    assert threshold is not None
    found = propose(both, rule, threshold, allowed)
    best = brute(both, rule, int(allowed) - 1)
    assert found.value < best
    if np.isfinite(best):
        assert sum(((one.values >= found.value) != (one.values >= best)).sum() for one in both) == 0
    else:
        assert found.value > max(one.values.max() for one in both)
    assert found.alarms <= found.at_most == int(allowed) - 1


def test_below_is_above_seen_in_a_mirror() -> None:
    values = np.random.default_rng(0).normal(size=200)
    below = threshold_of(AlertSpec("r", "x < 1", "m"))
    above = threshold_of(ABOVE)
    assert below is not None
    assert above is not None
    low = propose([series(values.tolist())], ABOVE, below, 4.0)
    high = propose([series((-values).tolist())], ABOVE, above, 4.0)
    assert low.value == -high.value
    assert (values < low.value).sum() >= 3 >= low.alarms == high.alarms


@pytest.mark.parametrize("values", [[1.0] * 20, [0.0, 1.0] * 20])
def test_equal_values_get_a_threshold_beyond_them(values: list[float]) -> None:
    threshold = threshold_of(ABOVE)
    assert threshold is not None
    found = propose([series(values)], ABOVE, threshold, 2.0)
    assert (found.alarms, found.value > 1.0) == (0, True)


@pytest.mark.parametrize("hold", [1, 3])
def test_the_next_history_keeps_the_budget(hold: int) -> None:
    """Of the same law and length: on average no more alarms than allowed, and no less than half."""
    rule = AlertSpec("r", "x > 1", "m", "warn", hold)
    threshold = Threshold(threshold_of(ABOVE).left, ">", 1.0)  # type: ignore[union-attr]
    alarms = []
    for s in range(150):
        rng = np.random.default_rng(s)
        past, future = (series(rng.standard_t(3, 400).tolist()) for _ in range(2))
        value = propose([past], rule, threshold, 5.0).value
        alarms.append(firings(future, future.values > value, rule))
    assert 2.5 < np.mean(alarms) < 5.0 + 3 * np.std(alarms) / np.sqrt(len(alarms))


def test_long_series_are_searched_in_strides() -> None:
    values = np.random.default_rng(1).normal(size=40_000)
    found = propose([series(values.tolist())], ABOVE, threshold_of(ABOVE), 201.0)  # type: ignore[arg-type]
    assert found.alarms == 200


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("1 per 30d", r"10 days is too short for '1 per 30d': it supports 1 per 10 days at the rarest.*30 days"),
        ("2 per 5000 rows", r"1000 rows is too short .*supports 1 per 1000 rows at the rarest, so 2500 rows"),
    ],
)
def test_a_history_that_is_too_short_says_what_it_supports(budget: str, message: str) -> None:
    history = History(0.0, 10 * DAY, 1000)
    with pytest.raises(TooShort, match=message):
        history.check(parse_budget(budget))
    for enough in ("1 per 10d", "3 per 30d", "1 per 1000 rows", "1 per 99999 windows"):
        history.check(parse_budget(enough))


def test_histories_of_minutes_and_of_no_length_say_so() -> None:
    with pytest.raises(TooShort, match=r"history of 5 min is too short .*1 per 5 min at the rarest, so 1 h of it"):
        History(0.0, 300.0, 1000).check(parse_budget("1 per 1h"))
    with pytest.raises(TooShort, match=r"no length: 1 rows at one time; '1 per 1m' needs more"):
        History(7.0, 7.0, 1).check(parse_budget("1 per 1m"))
