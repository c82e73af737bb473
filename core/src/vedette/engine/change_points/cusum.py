"""The two-sided CUSUM of standard normal scores, and its threshold for an average run length.

Page, "Continuous inspection schemes" (Biometrika 1954). Its run length by a Markov chain: Brook & Evans, "An approach
to the probability distribution of CUSUM run length" (Biometrika 1972).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from vedette_specs import Floats

STATES = 120
MOST_STEPS = 20  # of the secant method, which takes about four
_cdf = np.frompyfunc(NormalDist().cdf, 1, 1)


def step(sums: Floats, score: float, allowance: float) -> Floats:
    """(up, down) after a score: ``S = max(0, S +- score - allowance)``."""
    return np.asarray(np.maximum(0.0, sums + np.array([score, -score]) - allowance))


@lru_cache(maxsize=256)
def threshold(run_length: float, allowance: float) -> float:
    """h at which the two-sided CUSUM of independent N(0, 1) scores has this average run length from zero.

    run_length: >= 2 scores.  allowance: k > 0. Of two equal sides each has twice the run length (Kemp 1961).
    """
    target = math.log(2.0 * run_length)
    before = _siegmund(2.0 * run_length, allowance)
    miss = math.log(average_run_length(before, allowance)) - target
    h = before - miss / (2.0 * allowance)  # for large h the logarithm grows by 2k a unit
    for _ in range(MOST_STEPS):
        now = math.log(average_run_length(h, allowance)) - target
        if abs(now) < 1e-9 or now == miss:
            break
        before, h, miss = h, h - now * (h - before) / (now - miss), now
    return h


def _siegmund(run_length: float, allowance: float) -> float:
    """h by Siegmund's approximation ``(exp(2kb) - 2kb - 1) / 2k^2``, b = h + 1.166 ("Sequential Analysis", 1985)."""
    x = math.log1p(2.0 * allowance**2 * run_length)
    for _ in range(20):
        x = math.log(2.0 * allowance**2 * run_length + 1.0 + x)
    return max(0.1, x / (2.0 * allowance) - 1.166)


def average_run_length(h: float, allowance: float, states: int = STATES) -> float:
    """Of the one-sided CUSUM from zero: the sums as a chain of `states` values, (I - Q) mu = 1."""
    width = 2.0 * h / (2 * states - 1)
    distance = width * np.arange(-states, states) + allowance
    steps = np.asarray(_cdf(distance + width / 2), dtype=np.float64)  # P(score - k <= (distance + 1/2) width)
    start, end = np.arange(states)[:, None], np.arange(states)[None, :]
    place = end - start + states
    chances = steps[place] - steps[place - 1]
    chances[:, 0] = steps[states - np.arange(states)]  # all that is below ends at zero
    return float(np.linalg.solve(np.eye(states) - chances, np.ones(states))[0])
