"""Histograms of Ben-Haim & Tom-Tov: bins that find their own places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

Counts = NDArray[np.int64]


def join(left: tuple[Floats, Counts], right: tuple[Floats, Counts]) -> tuple[Floats, Counts]:
    """All bins of both, ascending; those at the same place are one."""
    centres = np.concatenate([left[0], right[0]])
    order = np.argsort(centres, kind="stable")  # of two ascending runs: a merge
    centres, counts = centres[order], np.concatenate([left[1], right[1]])[order]
    first = np.concatenate([[True], centres[1:] > centres[:-1]])
    if first.all():
        return centres, counts
    return centres[first], np.add.reduceat(counts, np.flatnonzero(first))


def compress(centres: Floats, counts: Counts, bins: int) -> tuple[Floats, Counts]:
    """At most `bins` bins: the two closest neighbours are merged again and again, as in the paper (algorithm 1).

    Merging makes the gaps beside only wider. So every gap that is narrower than those beside it, and not wider than
    the `excess`-th narrowest, is merged sooner or later, whatever else is: all these are merged in one round.
    """
    centres, counts = centres.copy(), counts.copy()
    while (excess := len(centres) - bins) > 0:
        gaps = np.diff(centres)
        narrow = np.ones(len(gaps), dtype=bool)  # than the gap before, and not wider than the one after
        narrow[1:] = gaps[1:] < gaps[:-1]
        narrow[:-1] &= gaps[:-1] <= gaps[1:]
        chosen = np.flatnonzero(narrow & (gaps <= np.partition(gaps, excess - 1)[excess - 1]))
        if len(chosen) > excess:
            chosen = chosen[np.argsort(gaps[chosen], kind="stable")[:excess]]
        total = counts[chosen] + counts[chosen + 1]
        centres[chosen] += gaps[chosen] * (counts[chosen + 1] / total)
        counts[chosen] = total
        kept = np.ones(len(centres), dtype=bool)
        kept[chosen + 1] = False
        centres, counts = centres[kept], counts[kept]
    return centres, counts


def quantile(centres: Floats, counts: Counts, level: float, low: float, high: float) -> float:
    """The place below which a share `level` of the values is estimated to lie: within [low, high] (algorithm 4)."""
    wanted = level * float(counts.sum())
    places = np.concatenate([[low], centres, [high]])
    heights = np.concatenate([[0.0], counts, [0.0]]).astype(np.float64)
    below = np.concatenate([[0.0], np.cumsum((heights[:-1] + heights[1:]) / 2.0)])
    i = min(int(np.searchsorted(below, wanted, side="right")) - 1, len(places) - 2)
    slope, rest = heights[i + 1] - heights[i], wanted - below[i]
    # Solves rest = heights[i] z + slope z^2 / 2 for z in [0, 1] without losing digits where slope is small.
    root = np.sqrt(max(heights[i] ** 2 + 2.0 * slope * rest, 0.0))
    z = 2.0 * rest / (heights[i] + root) if heights[i] + root > 0 else 0.0
    return float(places[i] + min(max(z, 0.0), 1.0) * (places[i + 1] - places[i]))
