"""Predictions are found by request id: those that a tap minted without an index, a client's own with one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.engine.traffic import SCHEMA, rows

from vedette.store import predictions
from vedette.store.database import Store
from vedette.store.log import LogRow
from vedette_specs.batch import Batch

MINE, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def store(store_url: str) -> Store:
    return Store(store_url)


def keep(store: Store, seq: int, ids: Sequence[tuple[str, int]], producer: str = MINE, at: float = 0.0) -> None:
    batch = rows(np.random.default_rng(seq), np.full(len(ids), at), ids)
    with store.write() as connection:
        row = LogRow(seq, producer, seq, 0.0, "", 0, b"")
        predictions.keep(connection, "m", row, batch, np.arange(len(batch)) == 0)


def find(store: Store, *requests: str) -> dict[str, int]:
    """request -> rows of it in the blocks that are found."""
    with store.read() as connection:
        found = predictions.find_blocks(connection, "m", requests)
        loaded = predictions.load(connection, (b for ids in found.values() for b in ids), SCHEMA)
    return {r: sum(_ids(loaded[b]).count(r) for b in blocks) for r, blocks in found.items()}


def _ids(batch: Batch) -> list[str]:
    return [] if batch.ids is None else batch.ids.tolist()


def test_minted_and_own_ids(store: Store) -> None:
    keep(store, 1, [(f"{MINE}-{i}", 0) for i in range(1, 6)])
    keep(store, 2, [(f"{MINE}-{i}", 0) for i in range(6, 9)])
    keep(store, 1, [(f"{OTHER}-{i}", 0) for i in range(1, 4)], OTHER)
    keep(store, 3, [("client", 0), ("client", 1), (f"{MINE}-9", 0)])
    asked = [f"{MINE}-1", f"{MINE}-8", f"{MINE}-9", f"{OTHER}-3", "client", f"{MINE}-99", f"{OTHER}-4", "nobody"]
    assert find(store, *asked) == {
        f"{MINE}-1": 1, f"{MINE}-8": 1, f"{MINE}-9": 1, f"{OTHER}-3": 1, "client": 2,
    }  # fmt: skip
    store.close()


@pytest.mark.parametrize(
    "strange", [f"{MINE}-²", f"{MINE}-{10**30}", f"{MINE}-", f"{MINE}-1x", f"{MINE}-٣", "a-7", f"{OTHER}-5", "x" * 256]
)
def test_a_client_may_send_any_id(store: Store, strange: str) -> None:
    """An id that looks as if a tap had minted it must not stop the checkpoint, and is found."""
    keep(store, 1, [(strange, 0)])
    keep(store, 2, [(f"{MINE}-1", 0), (strange, 1)])
    assert find(store, strange, f"{MINE}-1") == {strange: 2, f"{MINE}-1": 1}
    store.close()


def test_the_producers_own_name_may_be_any(store: Store) -> None:
    keep(store, 1, [("a-1", 0), ("a-2", 0)], producer="a")
    assert find(store, "a-2") == {"a-2": 1}
    store.close()


def test_the_rows_of_a_request_may_come_in_several_batches(store: Store) -> None:
    keep(store, 1, [("r", 0), ("r", 1)])
    keep(store, 2, [("r", 2)])
    assert find(store, "r") == {"r": 3}
    store.close()


def test_payloads_are_kept_of_the_chosen_rows_only(store: Store) -> None:
    keep(store, 1, [("r", 0), ("r", 1)])
    with store.read() as connection:
        kept = predictions.payload_row(connection, "m", "r", 0, SCHEMA)
        assert kept is not None
        assert list(kept.inputs) == ["x", "c"]
        assert predictions.payload_row(connection, "m", "r", 1, SCHEMA) is None
        (block,) = predictions.find_blocks(connection, "m", ["r"])["r"]
        assert predictions.load(connection, [block], SCHEMA)[block].inputs == {}
    store.close()


def test_whole_blocks_are_dropped(store: Store) -> None:
    for seq, at in ((1, 10.0), (2, 20.0), (3, 30.0)):
        keep(store, seq, [(f"r{seq}", 0)], at=at)
    with store.write() as connection:
        assert predictions.drop_before(connection, "m", 25.0) == 2
    assert find(store, "r1", "r2", "r3") == {"r3": 1}
    store.close()
