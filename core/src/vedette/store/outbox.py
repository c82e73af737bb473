"""Events on their way to sinks: written with the state that caused them, delivered at least once, in order per key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, false, func, or_, select, true, update

from vedette.config.plan import Plan, SinkSpec
from vedette.store.database import upsert
from vedette.store.tables import outbox
from vedette_specs.results import Event

DEAD_AFTER = 86_400.0
HOOKS = "@hooks"  # the plugins' event hooks, delivered like a sink
MAX_BACKOFF = 300.0


@dataclass(frozen=True)
class Parcel:
    id: int
    sink: str
    key: str
    attempts: int
    created: float
    event: Event


def put(connection: Connection, plan: Plan, event: Event, now: float, hooks: bool = False) -> None:
    """Queue an event for every sink that wants it; the same event id is queued once."""
    wanted = [sink.name for sink in plan.sinks if wants(sink, event)] + ([HOOKS] if hooks else [])
    body = json.dumps(event.to_json(), default=str)
    key = f"{event.kind}/{event.monitor}/{event.segment}"
    for sink in wanted:
        row: dict[str, Any] = {
            "model": event.model, "event_id": event.id, "sink": sink, "key": key, "kind": event.kind, "body": body,
            "created": now, "attempts": 0, "next_at": now, "dead": False,
        }  # fmt: skip
        upsert(connection, outbox, row, ("event_id", "sink"), {})


def wants(sink: SinkSpec, event: Event) -> bool:
    if sink.events and event.kind not in sink.events:
        return False
    return not sink.severity or event.kind != "alert" or event.payload.get("severity") in sink.severity


def due(connection: Connection, model: str, now: float, limit: int = 50) -> list[Parcel]:
    """The next events to deliver, oldest first; of each (sink, key) only the first, so that order is kept."""
    where = outbox.c.model == model, outbox.c.delivered.is_(None), outbox.c.dead == false()
    # the first of each lane, so that a sink that is down for long holds up no other
    first = select(func.min(outbox.c.id)).where(*where).group_by(outbox.c.sink, outbox.c.key)
    query = select(outbox).where(outbox.c.id.in_(first), outbox.c.next_at <= now).order_by(outbox.c.id).limit(limit)
    return [
        Parcel(row.id, row.sink, row.key, row.attempts, row.created, Event(**json.loads(row.body)))
        for row in connection.execute(query)
    ]


def delivered(connection: Connection, parcel: Parcel, now: float) -> None:
    connection.execute(update(outbox).where(outbox.c.id == parcel.id).values(delivered=now, error=None))


def failed(connection: Connection, parcel: Parcel, error: str, now: float) -> None:
    """Try again later, after 24 hours no more."""
    wait = min(MAX_BACKOFF, 2.0**parcel.attempts)
    values = {"attempts": parcel.attempts + 1, "next_at": now + wait, "error": error[:2000]}
    dead = now - parcel.created > DEAD_AFTER
    connection.execute(update(outbox).where(outbox.c.id == parcel.id).values(**values, dead=dead))


def drop_before(connection: Connection, model: str, time: float) -> int:
    """Forget what was delivered before `time`, and what was made before and given up."""
    given_up = and_(outbox.c.dead == true(), outbox.c.created < time)
    where = outbox.c.model == model, or_(outbox.c.delivered < time, given_up)
    return connection.execute(outbox.delete().where(*where)).rowcount
