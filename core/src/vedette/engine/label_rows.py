"""Labels of rows that their request does not have: they would wait until they are given up."""

from __future__ import annotations

from collections.abc import Mapping

from vedette.store import predictions
from vedette.store.database import Store
from vedette_specs.schema import Schema

CHUNK = 500


def beyond(store: Store, model: str, schema: Schema, rows: Mapping[str, int]) -> dict[str, int]:
    """request -> rows that it has, of those that are known and have no row of the number in `rows`."""
    wanted = list(rows)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        for request, count in _counts(store, model, schema, some).items():
            if count <= rows[request]:
                found[request] = count
    return found


def _counts(store: Store, model: str, schema: Schema, requests: list[str]) -> dict[str, int]:
    """request -> one more than its last row that is stored."""
    with store.read() as connection:
        blocks = predictions.find_blocks(connection, model, requests)
        numbers = {block for ids in blocks.values() for block in ids}
        batches = predictions.load(connection, numbers, schema).values()
    counts: dict[str, int] = {}
    known = set(blocks)
    for batch in batches:
        if batch.ids is None or batch.rows is None:
            continue
        for request, row in zip(batch.ids.tolist(), batch.rows.tolist(), strict=True):
            if request in known:
                counts[request] = max(counts.get(request, 0), row + 1)
    return counts
