"""Predictions by a key of the business, such as an order number: the index of client ids holds these too."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from vedette.store.tables import prediction_ids
from vedette.store.texts import storable

CHUNK = 500
LONGEST = 240  # characters of a key
MOST_BLOCKS = 50  # that are looked at for a key, the latest: a key of all rows is not to cost the joiner the store
_MARK = "\x1f"  # hardly an id begins with it; one that does costs a look, and is not mistaken for a key


def put(connection: Connection, model: str, block: int, keys: Iterable[str | None]) -> None:
    """Index the keys of a block's rows. None: the row has no key, and can have no label."""
    entries = sorted({_entry(key) for key in keys if key is not None})
    if entries:
        connection.execute(
            prediction_ids.insert(), [{"model": model, "request": entry, "block": block} for entry in entries]
        )


def find(connection: Connection, model: str, keys: Iterable[str]) -> dict[str, list[int]]:
    """key -> ids of the blocks that hold it, at most the latest `MOST_BLOCKS`."""
    by_entry = {_entry(key): key for key in keys}
    entries = list(by_entry)
    found: dict[str, list[int]] = {}
    ids = prediction_ids.c
    rank = func.row_number().over(partition_by=ids.request, order_by=ids.block.desc()).label("rank")
    for start in range(0, len(entries), CHUNK):
        where = ids.model == model, ids.request.in_(entries[start : start + CHUNK])
        some = select(ids.request, ids.block, rank).where(*where).subquery()
        query = select(some.c.request, some.c.block).where(some.c.rank <= MOST_BLOCKS).order_by(some.c.block)
        for entry, block in connection.execute(query):
            found.setdefault(by_entry[entry], []).append(block)
    return found


def _entry(key: str) -> str:
    return _MARK + storable(key, LONGEST)
