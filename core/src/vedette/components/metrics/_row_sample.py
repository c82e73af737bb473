"""A random sample of rows in bounded space, exactly mergeable: those with the least keys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._row_hashes import Hashes, id_hashes, mixed, number_hashes, row_hashes
from vedette_specs import Batch, Floats, State


def check_sample(rows: int, who: str) -> int:
    """Raises ValueError where a sample is too small to learn from, or too large for a state."""
    if not 200 <= rows <= 100_000:
        raise ValueError(f"{who}: sample is {rows}; allowed: 200 to 100000 rows")
    return rows


def row_keys(batch: Batch, p: Floats) -> Hashes:
    """(n,) keys by which rows are drawn, from what they hold and their ids: the same on every replica.

    Equal rows without ids have equal keys, and are drawn together.  p: (n, classes).
    """
    total = mixed(row_hashes(batch, sorted(batch.inputs)) + mixed(number_hashes(p)))
    if batch.ids is not None:
        total = mixed(total + id_hashes(batch.ids))
    return total if batch.rows is None else mixed(total + batch.rows.astype(np.uint64))


def below_last(state: State, keys: Hashes, limit: int) -> NDArray[np.intp]:
    """Positions of the keys that a full sample would take."""
    full = len(state["keys"]) == limit
    return np.flatnonzero(keys < state["keys"][-1]) if full else np.arange(len(keys))


def merge_samples(left: State, right: State, limit: int) -> State:
    """The rows with the `limit` least keys of both, by key. A sample is a dict of arrays, one of them `keys`."""
    whole = {name: np.concatenate([left[name], right[name]]) for name in left}
    order = np.argsort(whole["keys"], kind="stable")[:limit]
    return {name: values[order] for name, values in whole.items()}
