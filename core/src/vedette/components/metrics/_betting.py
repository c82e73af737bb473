"""Evidence by betting that a mean is above a bound: sums of log wealth by slots of time, which merge by addition.

Shekhar & Ramdas, "Nonparametric two-sample testing by betting" (2023); Waudby-Smith & Ramdas, "Estimating means of
bounded random variables by betting" (JRSS B 2024).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from vedette.components.metrics._means import known_number
from vedette.components.metrics._restarts import Slots, log_evidence, log_share, merge_slots, no_slots, slots_of
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, State

SHARES = np.geomspace(0.01, 0.9, 12)
"""Of what may be lost at most, so that wealth stays positive: bets small and large, whatever the change is."""
CAP = 1e12  # of the e-value that is shown; the logarithm is not capped


class BettingMetric(Metric):
    """Wealth ``prod 1 + lambda (x - bound)`` of 12 fixed bets that the mean of a bounded number a row is above a bound.

    Half of it bets since the first row, half begins later (see `_restarts`). Without such a mean the average of all is
    an e-value: it reaches 1 / alpha with probability alpha at most, at any one time, and over a lifetime window at any
    time at all (Ville's inequality). Rows without a number are left out.
    """

    PREFIX: ClassVar[str]
    LEAST: ClassVar[float] = 0.0  # of a row's number
    alpha: float

    @property
    @abstractmethod
    def bound(self) -> float:
        """The mean that is no news."""

    @abstractmethod
    def per_row(self, batch: Batch) -> Floats:
        """(n,) numbers, at least `LEAST` and at most 1; NaN for a row that is left out."""

    def facts(self, evidence: Floats) -> dict[str, Any]:
        """Details for people. evidence: (bets,) logs of the wealth that bets go on with."""
        return {}

    def create(self) -> State:
        return {"n": 0, "left_out": 0, "total": 0.0, **vars(no_slots(len(SHARES)))}

    def add(self, state: State, batch: Batch) -> State:
        numbers = self.per_row(batch)
        known = ~np.isnan(numbers)
        times = None if batch.times is None else batch.times[known]
        logs = np.log1p((numbers[known] - self.bound)[:, None] * self._bets())
        part = {
            "n": len(logs),
            "left_out": len(batch) - len(logs),
            "total": float(numbers[known].sum()),
            **vars(slots_of(times, logs)),
        }
        return self.merge(state, part)

    def merge(self, left: State, right: State) -> State:
        totals = {key: left[key] + right[key] for key in ("n", "left_out", "total")}
        return {**totals, **vars(merge_slots(_slots(left), _slots(right)))}

    def result(self, state: State, ctx: ResultContext) -> Result:
        mean = state["total"] / state["n"] if state["n"] else None
        slots = _slots(state)
        evidence = log_evidence(slots)
        log_e = log_mean_exp(evidence) if state["n"] else None
        values = {
            f"{self.PREFIX}_alarm": None if log_e is None else float(log_e >= -math.log(self.alpha)),
            f"{self.PREFIX}_log_e": log_e,
            f"{self.PREFIX}_e_value": None if log_e is None else min(CAP, math.exp(min(log_e, 700.0))),
            f"{self.PREFIX}_mean": mean if mean is None else known_number(mean),
        }
        now = np.logaddexp(evidence, log_share(np.ones(1, dtype=np.int64), slots.level))  # or what begins next
        details = {"left_out": state["left_out"], "bound": self.bound, **self.facts(now)}
        return Result(values, state["n"], "ok" if state["n"] else "insufficient", details)

    def _bets(self) -> Floats:
        return SHARES / (self.bound - self.LEAST)


def _slots(state: State) -> Slots:
    return Slots(state["level"], state["numbers"], state["logs"])


def check_alpha(who: str, alpha: float) -> None:
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"{who}: alpha is {alpha}; allowed: above 0 and below 1")


def log_mean_exp(logs: Floats) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def upper_bound(numbers: Floats, alpha: float) -> float:
    """An upper confidence bound of the mean of numbers in [0, 1]: above it with probability alpha at most.

    The least m at which the bets that the mean is below m have made 1 / alpha; no assumption but independence.
    Source: Waudby-Smith & Ramdas (2024), with a mixture of fixed bets in place of predictable ones.
    """
    distinct, counted = np.unique(numbers, return_counts=True)
    counts = counted.astype(np.float64)
    shares = np.geomspace(0.002, 0.9, 24)
    low, high = float(numbers.mean()), 1.0
    for _ in range(50):
        middle = (low + high) / 2
        gains = np.log1p(shares[:, None] * (middle - distinct) / (1.0 - middle)) @ counts
        low, high = (low, middle) if log_mean_exp(gains) >= -math.log(alpha) else (middle, high)
    return high
