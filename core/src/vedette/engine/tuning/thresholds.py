"""The least strict threshold under which history keeps to a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.config.plan import AlertSpec
from vedette.engine.tuning.series import Series, Threshold, firings
from vedette_specs import Floats

STEPS = 500  # thresholds tried in a first round, and again between the two that matter
DIGITS = 15
BEYOND = 0.05  # of the values' range, past the most extreme one where that is still too often


@dataclass(frozen=True)
class Proposal:
    """value: of the threshold.  alarms: that it raises in the history; at_most: that the budget allows there."""

    value: float
    alarms: int
    at_most: int


def propose(series: Sequence[Series], rule: AlertSpec, threshold: Threshold, allowed: float) -> Proposal:
    """The threshold for `allowed` (>= 1) alarms in a history as long as this one.

    History may have one alarm fewer than that: past its m-th most extreme run, m are expected in the next history as
    long, not m - 1. A threshold that holds half of the time is none, however rarely it begins to.
    """
    at_most = math.floor(allowed) - 1
    sign = 1.0 if threshold.above else -1.0
    signed = [Series(one.times, sign * one.values) for one in series]
    candidates = np.unique(np.concatenate([one.values for one in signed]))[::-1]  # the most extreme first
    most = sum(len(one.values) for one in signed) / 2

    def fits(position: int) -> bool:
        holds = [one.values >= candidates[position] for one in signed]
        if sum(int(mask.sum()) for mask in holds) > most:
            return False
        return _alarms(signed, candidates[position], rule) <= at_most

    kept = _last_that_fits(len(candidates), fits)
    inner = float(candidates[min(kept + 1, len(candidates) - 1)])
    value = _between(inner, float(candidates[kept]) if kept >= 0 else inner + _range(candidates))
    count = _alarms(signed, value, rule)
    return Proposal(sign * value, count, at_most)


def _last_that_fits(count: int, fits: Callable[[int], bool]) -> int:
    """The last position before the first that does not fit, -1 where none does: found in strides, then one by one.

    Positions far in may fit again, since alarms that last longer are fewer: they are not looked for.
    """
    stride = max(1, count // STEPS)
    last = -1
    while last + stride < count and fits(last + stride):
        last += stride
    while last + 1 < count and fits(last + 1):
        last += 1
    return last


def _alarms(signed: Sequence[Series], value: float, rule: AlertSpec) -> int:
    return sum(firings(one, one.values >= value, rule) for one in signed)


def _range(candidates: Floats) -> float:
    spread = float(candidates[0] - candidates[-1])
    return BEYOND * (spread or abs(float(candidates[0])) or 1.0)


def _between(inner: float, outer: float) -> float:
    """A number with few digits that is above `inner` and below `outer`."""
    middle = inner + (outer - inner) / 2
    for digits in range(2, DIGITS + 1):
        short = float(f"{middle:.{digits}g}")
        if inner < short < outer:
            return short
    return middle
