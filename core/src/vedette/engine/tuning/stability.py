"""Whether a history is of one piece: a change in it goes into every threshold that comes from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.engine.tuning.series import Series
from vedette_specs import Floats

LEAST = 40  # values of which a change is told
EDGE = 0.1  # of the values, at either end, among which none is looked for: outliers would be taken for it
CRITICAL = 84.6  # exceeded by one series in 200 that has no change


@dataclass(frozen=True)
class Shift:
    """time: of the first value after the change.  before, after: medians."""

    time: float
    before: float
    after: float


def shift_of(series: Series) -> Shift | None:
    """Where the level of a series changes, None where it may be one all the time.

    A self-normalised CUSUM of ranks: unlike a comparison of two halves, it is not deceived by values that depend on
    their neighbours, as those of overlapping windows and of days and nights do.
    Source: Shao, Zhang, "Testing for change points in time series" (JASA 2010).
    """
    n = len(series.values)
    if n < LEAST:
        return None
    first = max(1, round(EDGE * n))
    at = np.arange(first, n - first + 1)
    ranks = _ranks(series.values)
    if not self_normalised(ranks, at).max() > CRITICAL:
        return None
    sums = np.cumsum(ranks - ranks.mean())[at - 1]
    k = int(at[np.argmax(sums**2 / (at * (n - at)))])  # the split with the least squares on both sides
    before, after = (float(np.median(part)) for part in (series.values[:k], series.values[k:]))
    return Shift(float(series.times[k]), before, after)


def self_normalised(x: Floats, at: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """(len(at),) squared CUSUM after the first k values, for each k of `at`, by the variation on both sides of k."""
    n = len(x)
    centred = x - x.mean()
    ahead, behind = np.cumsum(centred), np.cumsum(centred[::-1])
    variation = _variation(ahead, at) + _variation(behind, n - at)
    with np.errstate(divide="ignore", invalid="ignore"):  # one level before and one after: certain, or no change at all
        return np.nan_to_num(n * ahead[at - 1] ** 2 / variation, nan=0.0, posinf=np.inf)


def _variation(sums: Floats, k: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """sum over t <= k of (S_t - t/k S_k)^2, for each k."""
    t = np.arange(1, len(sums) + 1, dtype=np.float64)
    squares, products, steps = np.cumsum(sums**2), np.cumsum(t * sums), np.cumsum(t**2)
    slope = sums[k - 1] / k
    found = squares[k - 1] - 2 * slope * products[k - 1] + slope**2 * steps[k - 1]
    return np.asarray(np.maximum(found, 0.0))


def _ranks(values: Floats) -> Floats:
    """Mean ranks, so that ties are fair and outliers count as others do."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
