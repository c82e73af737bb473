"""Labels: long (request, row, annotator, value, version). Writers never join; the joiner does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal, select, tuple_, update

from vedette.store.database import upsert
from vedette.store.tables import labels, recomputes

CHUNK = 400
MAX_WAIT = 60.0
IDENTITY = ("request", "row", "annotator", "value", "time")


@dataclass(frozen=True)
class Label:
    """time: when the label was given, infinite where nobody knows.  id grows with arrival and is the version."""

    id: int
    request: str
    row: int
    annotator: str
    value: Any
    time: float
    received: float
    tries: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.request, self.row


def add(connection: Connection, model: str, rows: Sequence[dict[str, Any]], now: float) -> int:
    """Store labels (request, row, value, annotator, time) as pending; returns how many."""
    if rows:
        fixed = {"model": model, "received": now, "state": "pending", "retry_at": now, "tries": 0}
        connection.execute(labels.insert(), [{**row, **fixed, "value": json.dumps(row["value"])} for row in rows])
    return len(rows)


def unknown(
    connection: Connection, model: str, rows: Sequence[dict[str, Any]], but: Sequence[str] = ("unmatched",)
) -> list[dict[str, Any]]:
    """The rows without those that are stored with the same time and value: feedback that is sent again adds nothing.

    One that was given up, because its prediction never came, may be tried again.  but: states that are not looked at.
    """
    keys = sorted({(row["request"], row["row"]) for row in rows})
    known: set[tuple[Any, ...]] = set()
    for start in range(0, len(keys), CHUNK):
        some = tuple_(labels.c.request, labels.c.row).in_(keys[start : start + CHUNK])
        where = labels.c.model == model, labels.c.state.not_in(but), some
        found = connection.execute(select(*(labels.c[name] for name in IDENTITY)).where(*where))
        known.update(tuple(row) for row in found)
    return [row for row in rows if _identity(row) not in known]


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(json.dumps(row[name]) if name == "value" else row[name] for name in IDENTITY)


_PENDING = labels.c.state == literal("pending", literal_execute=True)  # or no database takes the index of these


def pending(connection: Connection, model: str, now: float, limit: int) -> list[Label]:
    where = labels.c.model == model, _PENDING, labels.c.retry_at <= now
    return [_label(row) for row in connection.execute(select(labels).where(*where).order_by(labels.c.id).limit(limit))]


def applied(connection: Connection, model: str, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Label]:
    """The labels in force of some rows."""
    wanted = list(keys)
    found = {}
    for start in range(0, len(wanted), CHUNK):
        some = tuple_(labels.c.request, labels.c.row).in_(wanted[start : start + CHUNK])
        where = labels.c.model == model, labels.c.state == "applied", some
        found.update({label.key: label for label in map(_label, connection.execute(select(labels).where(*where)))})
    return found


def applied_of_requests(connection: Connection, model: str, requests: Iterable[str]) -> dict[tuple[str, int], Label]:
    """The labels in force of all rows of some requests."""
    wanted = list(dict.fromkeys(requests))
    found = {}
    for start in range(0, len(wanted), CHUNK):
        some = labels.c.request.in_(wanted[start : start + CHUNK])
        where = labels.c.model == model, labels.c.state == "applied", some
        found.update({label.key: label for label in map(_label, connection.execute(select(labels).where(*where)))})
    return found


def of_annotators(connection: Connection, model: str, requests: Iterable[str]) -> list[Label]:
    """The labels of all annotators of all rows of some requests: of each annotator of a row, the one in force or last.

    Of the first annotator of a row that is the applied one; those of others are stored as superseded.
    """
    wanted = list(dict.fromkeys(requests))
    found: dict[tuple[str, int, str], tuple[bool, Label]] = {}
    for start in range(0, len(wanted), CHUNK):
        some = labels.c.request.in_(wanted[start : start + CHUNK])
        where = labels.c.model == model, labels.c.state.in_(("applied", "superseded")), some
        for row in connection.execute(select(labels).where(*where).order_by(labels.c.id)):
            key, in_force = (row.request, row.row, row.annotator), row.state == "applied"
            if in_force or key not in found or not found[key][0]:
                found[key] = in_force, _label(row)
    return [label for _, label in found.values()]


def drop(connection: Connection, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), CHUNK):
        connection.execute(labels.delete().where(labels.c.id.in_(ids[start : start + CHUNK])))


def rename(connection: Connection, named: Mapping[int, tuple[str, int]]) -> None:
    """Tell labels, by id, the (request, row) that they mean, which had named a key."""
    if named:
        rows = [{"of": number, "to": request, "at": row} for number, (request, row) in named.items()]
        values: dict[str, Any] = {"request": bindparam("to"), "row": bindparam("at")}
        connection.execute(update(labels).where(labels.c.id == bindparam("of")).values(values), rows)


def set_state(connection: Connection, ids: Sequence[int], state: str) -> int:
    """Move pending or applied labels to a state; returns how many moved."""
    moved = 0
    for start in range(0, len(ids), CHUNK):
        where = labels.c.id.in_(ids[start : start + CHUNK]), labels.c.state.in_(("pending", "applied"))
        moved += connection.execute(update(labels).where(*where).values(state=state)).rowcount
    return moved


def postpone(connection: Connection, waiting: Sequence[Label], now: float) -> None:
    """Look for these labels' predictions again later, ever less often."""
    by_wait: dict[float, list[int]] = {}
    for label in waiting:
        by_wait.setdefault(min(MAX_WAIT, 0.25 * 2**label.tries), []).append(label.id)
    for wait, ids in by_wait.items():
        for start in range(0, len(ids), CHUNK):
            some = labels.c.id.in_(ids[start : start + CHUNK])
            values = {"tries": labels.c.tries + 1, "retry_at": now + wait}
            connection.execute(update(labels).where(some).values(values))


def wake(connection: Connection, model: str) -> None:
    """Look for all pending labels' predictions at once."""
    connection.execute(update(labels).where(labels.c.model == model, _PENDING).values(retry_at=0.0))


def counts(connection: Connection, model: str) -> dict[str, int]:
    """state -> number of labels."""
    query = select(labels.c.state, func.count()).where(labels.c.model == model).group_by(labels.c.state)
    return {state: int(count) for state, count in connection.execute(query)}


def ask_recompute(connection: Connection, series: int, tick: int, now: float) -> None:
    upsert(connection, recomputes, {"series": series, "tick": tick, "asked": now}, ("series", "tick"), {"asked": now})


def asked_recomputes(connection: Connection, series: int, before: float, limit: int) -> list[int]:
    """Ticks whose labels were corrected, and not again since `before`."""
    where = recomputes.c.series == series, recomputes.c.asked <= before
    return list(connection.scalars(select(recomputes.c.tick).where(*where).order_by(recomputes.c.tick).limit(limit)))


def done_recompute(connection: Connection, series: int, tick: int) -> None:
    connection.execute(recomputes.delete().where(recomputes.c.series == series, recomputes.c.tick == tick))


def _label(row: Any) -> Label:
    return Label(row.id, row.request, row.row, row.annotator, json.loads(row.value), row.time, row.received, row.tries)
