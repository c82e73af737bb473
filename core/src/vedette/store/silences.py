"""Silences: for whom and until when the events of an alert are not sent to the sinks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select, update

from vedette.store.tables import silences


@dataclass(frozen=True)
class Silence:
    """segment: None for all of a rule's.  until, created, ended: the store's time; ended: before its time."""

    id: str
    model: str
    rule: str
    segment: str | None
    created: float
    until: float
    ended: float | None
    by: str
    reason: str

    def active(self, now: float) -> bool:
        return self.ended is None and now < self.until

    def covers(self, rule: str, segment: str) -> bool:
        return self.rule == rule and self.segment in (None, segment)

    def to_json(self, now: float) -> dict[str, Any]:
        body = {name: value for name, value in self.__dict__.items() if name != "model"}
        return {**body, "active": self.active(now)}


def add(
    connection: Connection, model: str, rule: str, segment: str | None, until: float, by: str, reason: str, now: float
) -> Silence:
    found = Silence(uuid.uuid4().hex[:12], model, rule, segment, now, until, None, by, reason)
    connection.execute(silences.insert().values(**found.__dict__))
    return found


def end(connection: Connection, model: str, id: str, now: float) -> Silence | None:
    """End a silence before its time; one that is over stays as it was. None where there is no such silence."""
    where = silences.c.model == model, silences.c.id == id
    running = silences.c.ended.is_(None), silences.c.until > now
    connection.execute(update(silences).where(*where, *running).values(ended=now))
    row = connection.execute(select(silences).where(*where)).first()
    return None if row is None else Silence(**row._mapping)


def listed(connection: Connection, model: str, now: float, over: bool = False, limit: int = 1000) -> list[Silence]:
    """Active silences, the newest first; with `over` those too that are over."""
    where = [silences.c.model == model]
    if not over:
        where += [silences.c.ended.is_(None), silences.c.until > now]
    rows = connection.execute(select(silences).where(*where).order_by(silences.c.created.desc()).limit(limit))
    return [Silence(**row._mapping) for row in rows]


def covering(connection: Connection, model: str, rule: str, segment: str, now: float) -> Silence | None:
    """The silence that withholds the events of an alert now; of several the one that lasts longest."""
    where = silences.c.model == model, silences.c.rule == rule, silences.c.ended.is_(None), silences.c.until > now
    mine = or_(silences.c.segment.is_(None), silences.c.segment == segment)
    row = connection.execute(select(silences).where(*where, mine).order_by(silences.c.until.desc()).limit(1)).first()
    return None if row is None else Silence(**row._mapping)


def drop_before(connection: Connection, model: str, time: float) -> int:
    """Forget what was over before `time`."""
    over = or_(silences.c.until < time, silences.c.ended < time)
    return connection.execute(silences.delete().where(silences.c.model == model, over)).rowcount
