"""Rows counted by score in cells that are as fine as fits: what ranks rows, in bounded space, exactly mergeable.

At level 0 every score is a cell of its own. Where there are more than `bins` of them, [0, 1] is divided into
``bins * 2**(25 - level)`` cells, at the least level at which no more than `bins` hold a row; each is half of one of
the next level. Which level that is depends on the rows alone, so merging gives the same in any order. The cells are
part equal, part equal in log-odds: those of level 25, which is always enough, are `bins` cells of [0, 1] that resolve
1e-6 as well as 0.5. Scores of exactly 0 and 1 keep cells of their own, beyond `bins`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats, Mask

Counts = NDArray[Any]  # (2, m) integers, or floats where rows weigh differently: rows of other classes, of the class
Keys = NDArray[np.int64]

MOST_BINS = 1_000_000
_FINEST = 24  # halvings of `bins` cells
_OCTAVES = 40  # that are told apart on each side, down to 5e-13
_LOGARITHMIC = 0.25  # of the cells
_ONE = np.int64(1) << 62
_HALF_BITS = int(np.float64(0.5).view(np.int64))


@dataclass(frozen=True)
class Cells:
    """keys: (m,) ascending; at level 0 the bits of the scores, else the cells' places, -1 for 0 and 2**62 for 1."""

    level: int
    keys: Keys
    counts: Counts

    @property
    def tied(self) -> Mask:
        """(m,) cells all of whose rows have one score, so that nothing is lost by counting them as equal."""
        return np.asarray((self.level == 0) | (self.keys < 0) | (self.keys == _ONE))


def no_cells() -> Cells:
    return Cells(0, np.zeros(0, dtype=np.int64), np.zeros((2, 0), dtype=np.int64))


def count_cells(scores: Floats, positive: Mask, weights: Floats | None, bins: int) -> Cells:
    """Cells of (n,) scores; those outside [0, 1] count as 0 or 1."""
    bits = (np.clip(scores, 0.0, 1.0) + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0
    weighed = np.stack([~positive, positive]).astype(np.int64 if weights is None else np.float64)
    return _fitted(_gathered(0, bits, weighed if weights is None else weighed * weights), bins)


def merge_cells(left: Cells, right: Cells, bins: int) -> Cells:
    level = max(left.level, right.level)
    pair = [_coarser(one, level, bins) for one in (left, right)]
    keys = np.concatenate([one.keys for one in pair])
    return _fitted(_gathered(level, keys, np.concatenate([one.counts for one in pair], axis=1)), bins)


def _fitted(cells: Cells, bins: int) -> Cells:
    """At the least level at which at most `bins` cells hold rows (scores of 0 and 1 aside)."""
    if len(cells.keys) <= bins:
        return cells
    if cells.level == 0:
        ends = np.isin(cells.keys.view(np.float64), (0.0, 1.0))
        return cells if len(ends) - np.count_nonzero(ends) <= bins else _fitted(_coarser(cells, 1, bins), bins)
    inner = cells.keys[(cells.keys >= 0) & (cells.keys < _ONE)]
    if len(inner) <= bins:
        return cells
    # Neighbours fall together where the highest bit that differs is shifted out.
    halvings = np.frexp((inner[1:] ^ inner[:-1]).astype(np.float64))[1]
    enough = int(np.partition(halvings, len(halvings) - bins)[len(halvings) - bins])
    return _coarser(cells, cells.level + enough, bins)


def _coarser(cells: Cells, level: int, bins: int) -> Cells:
    if level == cells.level:
        return cells
    keys, before = cells.keys, cells.level
    if before == 0:
        keys, before = _places(keys.view(np.float64), bins), 1
    keys = np.where(keys == _ONE, _ONE, keys >> (level - before))  # -1 stays -1
    return _gathered(level, keys, cells.counts)


def _places(scores: Floats, bins: int) -> Keys:
    """Places at level 1. Each step is correctly rounded and monotone, so that a higher score is never placed lower."""
    near = np.minimum(scores, 1.0 - scores)  # exact above 0.5, as is all that is needed
    octaves = np.minimum((_HALF_BITS - near.view(np.int64)) / 2.0**52, _OCTAVES)  # below 0.5, linear within each
    out = (0.5 - near) * 2.0 * (1.0 - _LOGARITHMIC) + octaves * (_LOGARITHMIC / _OCTAVES)
    middle = bins << (_FINEST - 1)
    steps = np.minimum((out * middle).astype(np.int64), middle - 1)
    places = np.where(scores < 0.5, middle - 1 - steps, middle + steps)
    return np.where(scores == 0.0, -1, np.where(scores == 1.0, _ONE, places))


def _gathered(level: int, keys: Keys, counts: Counts) -> Cells:
    """Equal keys counted together."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-2))  # no key is less than -1
    both = np.add.reduceat(counts[:, order], first, axis=1) if len(first) else counts
    return Cells(level, keys[first], both)
