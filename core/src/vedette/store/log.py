"""The batch log and its producers: what a worker commits before it acknowledges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, false, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vedette.store.tables import batch_log, incarnations, producers

POISON_ATTEMPTS = 3
CHUNK = 500


class Fenced(RuntimeError):
    """Another worker has taken over this incarnation's batches: what it holds in memory must be dropped."""


@dataclass(frozen=True)
class LogRow:
    """A committed batch. attempts: how often a worker that took it over has begun to count it."""

    id: int
    producer: str
    seq: int
    received: float
    model_version: str
    attempts: int
    blob: bytes


def register(connection: Connection, incarnation: str, pool: str, now: float) -> None:
    connection.execute(incarnations.insert().values(id=incarnation, pool=pool, started=now, seen=now, fenced=False))


def beat(connection: Connection, incarnation: str, now: float) -> None:
    """Say that the incarnation lives; raises Fenced where it was given up."""
    alive = incarnations.c.id == incarnation, incarnations.c.fenced == false()
    if connection.execute(update(incarnations).where(*alive).values(seen=now)).rowcount != 1:
        raise Fenced(incarnation)


def drop_before(connection: Connection, model: str, time: float) -> int:
    """Forget replicas and producers not heard since `time`: a spool that is older is not taken up again."""
    owners = select(batch_log.c.owner)
    gone = incarnations.c.pool.startswith(f"{model}/", autoescape=True), incarnations.c.seen < time
    count = connection.execute(incarnations.delete().where(*gone, incarnations.c.id.not_in(owners))).rowcount
    silent = producers.c.pool.startswith(f"{model}/", autoescape=True), producers.c.seen < time
    return count + connection.execute(producers.delete().where(*silent)).rowcount


def fence(connection: Connection, incarnation: str) -> None:
    connection.execute(update(incarnations).where(incarnations.c.id == incarnation).values(fenced=True))


def raise_seq(
    connection: Connection, pool: str, producer: str, seq: int, low: float, now: float, counters: dict[str, int]
) -> bool:
    """Whether `seq` is new for this producer; False for a duplicate, which is counted. seq 0 is a heartbeat.

    The row lock makes a retry on another replica wait until the first commit is decided.
    """
    build: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    body = {"pool": pool, "producer": producer, "seq": seq, "low": low, "seen": now, "counters": json.dumps(counters)}
    fresh = {"seq": seq, "low": low, "seen": now, "counters": body["counters"]}
    statement = build(producers).values(**body, duplicates=0)
    if seq == 0:  # a heartbeat that was overtaken by a batch must not lower what that batch said
        highest: Any = func.max if build is sqlite.insert else func.greatest
        beat_only = {"seen": now, "low": highest(producers.c.low, low), "counters": body["counters"]}
        connection.execute(statement.on_conflict_do_update(index_elements=["pool", "producer"], set_=beat_only))
        return True
    raised = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["pool", "producer"], set_=fresh, where=producers.c.seq < seq
        ).returning(producers.c.seq)
    ).first()
    if raised is None:
        mine = producers.c.pool == pool, producers.c.producer == producer
        connection.execute(update(producers).where(*mine).values(duplicates=producers.c.duplicates + 1, seen=now))
    return raised is not None


def append(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Log batches; returns their ids in the order given."""
    if not rows:
        return []
    statement = batch_log.insert().returning(batch_log.c.id, sort_by_parameter_order=True)
    return [int(i) for i in connection.scalars(statement, list(rows))]


def cover(connection: Connection, incarnation: str, ids: Sequence[int]) -> None:
    """Delete the batches that a checkpoint covers; raises Fenced when they are not all still this owner's."""
    gone = 0
    for start in range(0, len(ids), CHUNK):
        some = batch_log.c.owner == incarnation, batch_log.c.id.in_(ids[start : start + CHUNK])
        gone += connection.execute(batch_log.delete().where(*some)).rowcount
    if gone != len(ids):
        raise Fenced(incarnation)


def silent_owners(connection: Connection, pool: str, me: str, before: float) -> list[str]:
    """Owners of logged batches that are fenced, or have not been heard since `before`."""
    alive = select(incarnations.c.id).where(
        incarnations.c.pool == pool, incarnations.c.fenced == false(), incarnations.c.seen >= before
    )
    query = select(batch_log.c.owner).distinct()
    where = batch_log.c.pool == pool, batch_log.c.poisoned == false(), batch_log.c.owner != me
    return list(connection.scalars(query.where(*where, batch_log.c.owner.not_in(alive))))


def adopt(connection: Connection, owner: str, me: str, now: float, before: float) -> list[int]:
    """Fence `owner`, unless it has been heard since `before` after all, and take its batches; returns their log ids.

    Both rows are locked in the order of their ids, so that workers who find each other silent do not wait in a circle.
    """
    rows = select(incarnations).where(incarnations.c.id.in_([owner, me])).order_by(incarnations.c.id).with_for_update()
    known = {row.id: row for row in connection.execute(rows)}
    beat(connection, me, now)
    if owner in known and not known[owner].fenced:
        if known[owner].seen >= before:
            return []
        fence(connection, owner)
    taken = batch_log.c.owner == owner, batch_log.c.poisoned == false()
    return sorted(connection.scalars(update(batch_log).where(*taken).values(owner=me).returning(batch_log.c.id)))


def begin_attempt(connection: Connection, row: int, owner: str) -> LogRow | None:
    """Count an attempt at an adopted batch; None when it has killed too many workers and is parked as poisoned.

    Raises Fenced where the batch is another worker's by now, whose attempt it would otherwise be.
    """
    values = {"attempts": batch_log.c.attempts + 1}
    mine = batch_log.c.id == row, batch_log.c.owner == owner, batch_log.c.poisoned == false()
    found = connection.execute(update(batch_log).where(*mine).values(values).returning(*_COLUMNS)).first()
    if found is None:
        raise Fenced(owner)
    if found.attempts >= POISON_ATTEMPTS:
        connection.execute(update(batch_log).where(batch_log.c.id == row).values(poisoned=True, owner=""))
        return None
    return LogRow(**found._mapping)


def give_back(connection: Connection, row: int) -> None:
    """Take back an attempt whose worker lived to see what went wrong: the batch did not kill it."""
    fewer = {"attempts": batch_log.c.attempts - 1}
    connection.execute(update(batch_log).where(batch_log.c.id == row, batch_log.c.attempts > 0).values(fewer))


_COLUMNS = (
    batch_log.c.id,
    batch_log.c.producer,
    batch_log.c.seq,
    batch_log.c.received,
    batch_log.c.model_version,
    batch_log.c.attempts,
    batch_log.c.blob,
)


def watermark(connection: Connection, pool: str, heard_since: float) -> tuple[float | None, float | None]:
    """(least low of the producers heard since, least event time in the log); None where there is none.

    The producers are read first: a batch that is logged after that cannot hold rows below their lows.
    """
    heard = producers.c.pool == pool, producers.c.seen >= heard_since
    low = connection.scalar(select(func.min(producers.c.low)).where(*heard))
    logged = batch_log.c.pool == pool, batch_log.c.poisoned == false()
    return low, connection.scalar(select(func.min(batch_log.c.min_time)).where(*logged))
