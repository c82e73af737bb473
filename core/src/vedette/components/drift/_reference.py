"""Sorted reference columns, compiled once, and the places of window values among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SortedReference:
    """d reference columns below each other.

    values: (sum k_j) distinct values, ascending within a column.  cumulative: (sum k_j) values of the column that
    are <= each.  offsets: (d + 1) where a column starts.  kept: (d,) values that the cumulative counts stand on.

    A window value v of column j has the code ``2 i`` between the i-th and the next distinct value, ``2 i - 1`` when it
    equals the i-th, counted from `code_starts[j]`. The two-sample statistics depend on a window through the counts of
    its codes only, which are additive and bounded: so they are exact on merged windows.
    """

    values: Floats
    cumulative: Ints
    offsets: Ints
    kept: Ints

    @classmethod
    def compile(cls, columns: Sequence[Floats], limit: int) -> SortedReference:
        """From values without NaN; a longer column is thinned to `limit` evenly spaced order statistics."""
        kept = [thin(np.sort(column), limit) for column in columns]
        distinct = [np.unique(column, return_counts=True) for column in kept]
        sizes = [len(values) for values, _ in distinct]
        return cls(
            values=np.concatenate([np.empty(0), *(values for values, _ in distinct)]),
            cumulative=np.concatenate([np.empty(0, dtype=np.int64), *(np.cumsum(c) for _, c in distinct)]),
            offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
            kept=np.array([len(column) for column in kept], dtype=np.int64),
        )

    @property
    def code_starts(self) -> Ints:
        """(d + 1) first code of each column: a column of k distinct values has 2 k + 1 codes."""
        return 2 * self.offsets + np.arange(len(self.offsets))

    @property
    def size(self) -> int:
        """Number of codes."""
        return 2 * len(self.values) + len(self.kept)

    def codes(self, x: Floats) -> tuple[NDArray[np.int32], Ints]:
        """Codes of all values of `x` (d, n) that are not NaN, one column after the other; (d,) numbers of NaN."""
        # Sorted needles keep the search within the cache: four times faster, sorting included.
        ordered = np.sort(x, axis=1)
        present = x.shape[1] - np.count_nonzero(np.isnan(x), axis=1)
        out = np.empty(int(present.sum()), dtype=np.int32)
        at = 0
        for j, start in enumerate(self.code_starts[:-1].tolist()):
            needles = ordered[j, : present[j]]
            values = self.values[self.offsets[j] : self.offsets[j + 1]]
            out[at : at + len(needles)] = _places(values, needles) + start
            at += len(needles)
        return out, (x.shape[1] - present).astype(np.int64)


def thin(ordered: Floats, limit: int) -> Floats:
    """`ordered` (n,), or `limit` of its order statistics at the middles of equal slices when it is longer."""
    if len(ordered) <= limit:
        return ordered
    return np.asarray(ordered[((np.arange(limit) + 0.5) * (len(ordered) / limit)).astype(np.intp)])


def _places(values: Floats, needles: Floats) -> NDArray[np.intp]:
    if len(values) == 0:
        return np.zeros(len(needles), dtype=np.intp)
    below = np.searchsorted(values, needles)
    equal = values[np.minimum(below, len(values) - 1)] == needles
    return np.asarray(2 * below + equal, dtype=np.intp)
