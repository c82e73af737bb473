"""One way to count rows on many replicas, for all mergeable components."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vedette_specs import Batch, Metric, State
from vedette_specs.codec import decode, encode

Merged = Callable[..., State]


def merge_shards(part: Metric, batch: Batch, seed: int = 0, shards: int = 4) -> State:
    """Rows dealt out at random to replicas that may get none; each adds them in random pieces, on states that have
    been through bytes; merged in a random order and shape. Fails where `merge` or `add` changes what it must not."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, shards + 1, len(batch))
    states = [_add_in_pieces(part, batch.take(np.flatnonzero(owner == i)), rng) for i in range(shards + 1)]
    states.append(part.create())
    while len(states) > 1:
        left = states.pop(int(rng.integers(len(states))))
        right = states.pop(int(rng.integers(len(states))))
        before = encode(left), encode(right)
        merged = part.merge(left, right)
        assert (encode(left), encode(right)) == before, "merge changed its arguments"
        states.append(decode(encode(merged)))
        grown = part.add(merged, batch.take(slice(0, 3)))  # may reuse `merged`, but nothing that went into it
        assert grown is not None
        assert (encode(left), encode(right)) == before, "merge shares arrays with its result"
    return states[0]


def _add_in_pieces(part: Metric, batch: Batch, rng: np.random.Generator) -> State:
    state = part.create()
    cuts = np.sort(rng.integers(0, len(batch) + 1, 3)) if len(batch) else []
    for piece in np.split(np.arange(len(batch)), cuts):
        given = batch.take(piece)
        before = given.to_bytes()
        state = part.add(decode(encode(state)), given)
        state = part.add(state, batch.take(slice(0, 0)))
        assert given.to_bytes() == before, "add changed its batch"
    return decode(encode(state))


@pytest.fixture(scope="session")
def merged() -> Merged:
    return merge_shards
