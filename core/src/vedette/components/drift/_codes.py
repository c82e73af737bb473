"""Counts of codes: a short list of codes while there are few, counts of every code when there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNKS = 32
Codes = NDArray[np.int32]


def empty_codes() -> dict[str, Any]:
    """chunks: arrays of codes, as they came. counts: (size,) counts of each code, or None while there are few."""
    return {"chunks": [], "counts": None}


def merge_codes(left: Mapping[str, Any], right: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The codes of both, in at most as much space as `size` counts take. Changes neither."""
    counts = _sum(left["counts"], right["counts"])
    return _bounded([*left["chunks"], *right["chunks"]], counts, size, owned=False)


def add_codes(state: Mapping[str, Any], codes: Codes, size: int) -> dict[str, Any]:
    """`state` with more codes, reusing its counts where they can be written to."""
    return _bounded([*state["chunks"], codes] if len(codes) else state["chunks"], state["counts"], size, owned=True)


def code_counts(state: Mapping[str, Any], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes that occur, ascending, and how often."""
    if state["counts"] is None:
        seen, often = np.unique(_joined(state["chunks"]), return_counts=True)
        return seen.astype(np.int64), often.astype(np.int64)
    total = _counted(state["chunks"], state["counts"], size, owned=False)
    codes = np.flatnonzero(total).astype(np.int64)
    return codes, total[codes].astype(np.int64)


def _bounded(chunks: Sequence[Codes], counts: NDArray[Any] | None, size: int, owned: bool) -> dict[str, Any]:
    if sum(map(len, chunks)) > max(size // 2, 64):
        return {"chunks": [], "counts": _counted(chunks, counts, size, owned)}
    return {"chunks": list(chunks) if len(chunks) <= _CHUNKS else [_joined(chunks)], "counts": counts}


def _counted(chunks: Sequence[Codes], counts: NDArray[Any] | None, size: int, owned: bool) -> NDArray[Any]:
    more = np.bincount(_joined(chunks), minlength=size)
    if counts is None:
        return _narrow(more)
    if owned and counts.flags.writeable and int(counts.max()) + int(more.max()) <= np.iinfo(counts.dtype).max:
        counts += more.astype(counts.dtype)
        return counts
    return _narrow(counts.astype(np.int64) + more)


def _narrow(counts: NDArray[Any]) -> NDArray[Any]:
    """In as few bytes a count as the largest needs: mostly one, an eighth of the checkpoint."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def _sum(left: NDArray[Any] | None, right: NDArray[Any] | None) -> NDArray[Any] | None:
    """A new array: what `add` may write to belongs to no other state."""
    if left is None or right is None:
        return None if left is right else np.array(right if left is None else left)
    return _narrow(left.astype(np.int64) + right.astype(np.int64))


def _joined(chunks: Sequence[Codes]) -> Codes:
    return np.concatenate([np.empty(0, dtype=np.int32), *chunks])
