"""A change in a history is told where it is, and seldom where there is none, however the values hang together."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.engine.tuning.series import Series
from vedette.engine.tuning.stability import EDGE, LEAST, self_normalised, shift_of
from vedette_specs import Floats

RUNS = 600


def told(values: Floats) -> bool:
    return shift_of(Series(np.arange(len(values), dtype=float), values)) is not None


@pytest.mark.parametrize("kind", ["independent", "overlapping", "seasonal"])
def test_a_history_of_one_piece_is_seldom_said_to_change(kind: str) -> None:
    rng = np.random.default_rng(0)

    def values() -> Floats:
        noise = rng.normal(size=203)
        if kind == "overlapping":  # a window that moves by a quarter of itself
            return np.convolve(noise, np.ones(4), "valid")
        return noise[3:] + (2.0 * np.sin(np.arange(200) / 24 * 2 * np.pi) if kind == "seasonal" else 0.0)

    assert sum(told(values()) for _ in range(RUNS)) <= 0.02 * RUNS


def test_a_change_is_told_and_where() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(50):
        x = rng.normal(size=200) + 2.0 * (np.arange(200) >= 120)
        shift = shift_of(Series(1000.0 + np.arange(200), x))
        if shift is not None:
            found.append((shift.time, shift.before, shift.after))
    assert len(found) >= 48
    time, before, after = np.median(found, axis=0)
    assert abs(time - 1120.0) <= 2
    assert abs(before) < 0.2
    assert abs(after - 2.0) < 0.2


def test_the_statistic_is_that_of_its_definition() -> None:
    x = np.random.default_rng(2).normal(size=30)
    n, found = len(x), []
    for k in range(3, 28):
        part = [x[:t].sum() - t / k * x[:k].sum() for t in range(1, k + 1)]
        rest = [x[t:].sum() - (n - t) / (n - k) * x[k:].sum() for t in range(k, n)]
        variation = (np.square(part).sum() + np.square(rest).sum()) / n**2
        found.append((x[:k].sum() - k * x.mean()) ** 2 / n / variation)
    assert self_normalised(x, np.arange(3, 28)) == pytest.approx(np.array(found))


def test_few_values_and_values_that_are_all_one_say_nothing() -> None:
    assert not told(np.r_[np.zeros(LEAST // 2), np.ones(LEAST // 2 - 1)])
    assert not told(np.ones(200))
    assert told(np.r_[np.zeros(100), np.ones(100)])
    outliers = np.random.default_rng(3).normal(size=200)
    outliers[: round(EDGE * 200) - 1] += 100.0
    assert not told(outliers)
