"""Stored predictions: one columnar block per batch, found by request id without an index row per prediction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, and_, or_, select

from vedette.store.database import upsert
from vedette.store.log import LogRow
from vedette.store.tables import payloads, prediction_ids, predictions
from vedette_specs.batch import Batch
from vedette_specs.columns import Mask
from vedette_specs.schema import Schema

CHUNK = 500
MINTED = re.compile(r"([0-9a-f]{32})-([0-9]{1,15})")
_COUNTER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Block:
    """The predictions of one batch; inputs are only those of its payload."""

    id: int
    batch: Batch


def minted(request: str) -> tuple[str, int] | None:
    """(producer, counter) of an id that a tap minted, None for a client's own."""
    found = MINTED.fullmatch(request)
    return (found[1], int(found[2])) if found else None


def split_minted(requests: Sequence[str], producer: str) -> tuple[list[int], list[str]]:
    """(counters of the ids that this producer minted, the other ids)."""
    prefix, length = f"{producer}-", len(producer) + 1
    own = [r[length:] for r in requests if r.startswith(prefix)]
    if len(own) == len(requests) and all(map(_COUNTER.fullmatch, own)) and (not own or minted(requests[0])):
        return [int(counter) for counter in own], []
    theirs = [r for r in requests if not (r.startswith(prefix) and minted(r))]
    return [int(r[length:]) for r in requests if r.startswith(prefix) and minted(r)], theirs


def keep(
    connection: Connection, model: str, row: LogRow, batch: Batch, payload: Mask, columns: Sequence[str] = (),
    bundle: str = "",
) -> int:  # fmt: skip
    """Store a batch's predictions, and the inputs of the rows in `payload`; returns the block's id.

    columns: inputs that are kept as attributes, for segments and for what reads them when labels come.

    bundle: digest of the one under which the batch was counted: its labels belong to the same series.
    """
    requests = [] if batch.ids is None else list(dict.fromkeys(str(i) for i in batch.ids))
    own, theirs = split_minted(requests, row.producer)
    segments = {name: batch.inputs[name] for name in columns if name in batch.inputs}
    slim = batch.replace(inputs={}, attributes={**segments, **batch.attributes})
    times = batch.times if batch.times is not None else np.zeros(len(batch))
    block = connection.execute(
        predictions.insert()
        .values(
            model=model, producer=row.producer, seq=row.seq, rows=len(batch),
            min_time=float(times.min()), max_time=float(times.max()),
            first_minted=min(own, default=None), last_minted=max(own, default=None),
            model_version=row.model_version, bundle=bundle, blob=slim.to_bytes(),
        )
        .returning(predictions.c.id)
    ).scalar_one()  # fmt: skip
    if theirs:
        connection.execute(
            prediction_ids.insert(), [{"model": model, "request": r[:256], "block": block} for r in theirs]
        )
    if payload.any():
        blob = batch.take(payload).to_bytes()
        upsert(connection, payloads, {"block": block, "blob": blob}, ("block",), {"blob": blob})
    return int(block)


def find_blocks(connection: Connection, model: str, requests: Iterable[str]) -> dict[str, list[int]]:
    """request -> ids of the blocks that hold its rows."""
    found: dict[str, list[int]] = {}
    wanted = list(dict.fromkeys(requests))
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        where = prediction_ids.c.model == model, prediction_ids.c.request.in_(some)
        for request, block in connection.execute(
            select(prediction_ids.c.request, prediction_ids.c.block).where(*where).order_by(prediction_ids.c.block)
        ):
            found.setdefault(request, []).append(block)
        _find_minted(connection, model, some, found)
    return found


def _find_minted(connection: Connection, model: str, requests: Sequence[str], found: dict[str, list[int]]) -> None:
    own = [(request, *m) for request in requests if (m := minted(request)) is not None and request not in found]
    if not own:
        return
    spans: dict[str, tuple[int, int]] = {}
    for _, producer, counter in own:
        low, high = spans.get(producer, (counter, counter))
        spans[producer] = (min(low, counter), max(high, counter))
    p = predictions.c
    overlap = [and_(p.producer == k, p.first_minted <= high, p.last_minted >= low) for k, (low, high) in spans.items()]
    query = select(p.id, p.producer, p.first_minted, p.last_minted).where(p.model == model, or_(*overlap))
    blocks = connection.execute(query.order_by(p.id)).all()
    for request, producer, counter in own:
        hits = [b.id for b in blocks if b.producer == producer and b.first_minted <= counter <= b.last_minted]
        if hits:
            found[request] = hits


def load(connection: Connection, blocks: Iterable[int], schema: Schema) -> dict[int, Batch]:
    wanted = sorted(set(blocks))
    loaded: dict[int, Batch] = {}
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        query = select(predictions.c.id, predictions.c.blob).where(predictions.c.id.in_(some))
        loaded |= {row.id: Batch.from_bytes(row.blob, schema) for row in connection.execute(query)}
    return loaded


def bundles_of(connection: Connection, blocks: Iterable[int]) -> dict[int, str]:
    """block -> digest of the bundle under which it was counted."""
    wanted = sorted(set(blocks))
    found: dict[int, str] = {}
    query = select(predictions.c.id, predictions.c.bundle)
    for start in range(0, len(wanted), CHUNK):
        some = query.where(predictions.c.id.in_(wanted[start : start + CHUNK]))
        found |= {row.id: row.bundle for row in connection.execute(some)}
    return found


def blocks_between(
    connection: Connection, model: str, start: float, end: float, schema: Schema
) -> list[tuple[str, Batch]]:
    """Blocks that hold event times in [start, end), each with the digest of its bundle."""
    where = predictions.c.model == model, predictions.c.min_time < end, predictions.c.max_time >= start
    query = select(predictions.c.bundle, predictions.c.blob).where(*where).order_by(predictions.c.id)
    return [(row.bundle, Batch.from_bytes(row.blob, schema)) for row in connection.execute(query)]


def payload_of(connection: Connection, block: int, schema: Schema) -> Batch | None:
    blob = connection.scalar(select(payloads.c.blob).where(payloads.c.block == block))
    return None if blob is None else Batch.from_bytes(blob, schema)


def payload_row(connection: Connection, model: str, request: str, row: int, schema: Schema) -> Batch | None:
    """One row with its inputs, where its payload was kept."""
    for block in find_blocks(connection, model, [request]).get(request, []):
        batch = payload_of(connection, block, schema)
        if batch is None or batch.ids is None or batch.rows is None:
            continue
        hits = np.flatnonzero((batch.ids == request) & (batch.rows == row))
        if len(hits):
            return batch.take(hits[:1])
    return None


def latest_before(connection: Connection, model: str, time: float) -> float | None:
    """The last event time, up to `time`, of the batch that began last before it; None where none is kept."""
    where = predictions.c.model == model, predictions.c.min_time <= time
    query = select(predictions.c.max_time).where(*where).order_by(predictions.c.min_time.desc()).limit(1)
    found = connection.scalar(query)
    return None if found is None else min(float(found), time)


def drop_before(connection: Connection, model: str, time: float, limit: int = 1000) -> int:
    """Delete whole blocks, at most `limit`, that ended before `time`; returns how many."""
    # what ended before has begun before: only that has an index
    where = predictions.c.model == model, predictions.c.min_time < time, predictions.c.max_time < time
    ids = list(connection.scalars(select(predictions.c.id).where(*where).limit(limit)))
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        connection.execute(payloads.delete().where(payloads.c.block.in_(some)))
        connection.execute(prediction_ids.delete().where(prediction_ids.c.block.in_(some)))
        connection.execute(predictions.delete().where(predictions.c.id.in_(some)))
    return len(ids)
