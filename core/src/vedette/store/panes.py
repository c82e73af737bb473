"""Panes: the durable units of state. Workers only insert parts; the reducer merges them when a tick closes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, false, func, select, true

from vedette.store.tables import panes

CHUNK = 500


class PartsChanged(RuntimeError):
    """Parts that were read have been replaced meanwhile: read again."""


@dataclass(frozen=True)
class Pane:
    """rows: predictions counted.  labelled: rows among them with a label.  lag: sum of label delays in seconds."""

    series: int
    segment: str
    tick: int
    rows: int
    state: bytes | None
    labelled: int = 0
    lag: float = 0.0
    closed: bool = False
    id: int = 0


def insert(connection: Connection, parts: Sequence[Pane]) -> None:
    if parts:
        connection.execute(
            panes.insert(),
            [{k: v for k, v in part.__dict__.items() if k != "id"} for part in parts],
        )


def open_parts(connection: Connection, series: int, below: int, limit: int) -> list[Pane]:
    """Unmerged parts of ticks below `below`, whole ticks only, in tick order; about `limit` parts at most."""
    where = panes.c.series == series, panes.c.closed == false(), panes.c.tick < below
    ticks = connection.execute(select(panes.c.tick).where(*where).order_by(panes.c.tick).limit(limit)).scalars().all()
    if not ticks:
        return []
    query = select(panes).where(*where, panes.c.tick <= ticks[-1]).order_by(panes.c.tick, panes.c.segment, panes.c.id)
    return [_pane(row) for row in connection.execute(query)]


def closed_range(connection: Connection, series: int, segment: str, first: int, stop: int) -> list[Pane]:
    """Closed panes of ticks in [first, stop), in tick order."""
    where = panes.c.series == series, panes.c.closed == true(), panes.c.segment == segment
    inside = panes.c.tick >= first, panes.c.tick < stop
    return [_pane(row) for row in connection.execute(select(panes).where(*where, *inside).order_by(panes.c.tick))]


def closed_ticks(connection: Connection, series: int, segment: str, rows: int) -> int | None:
    """The first tick of the latest closed ones that hold at least `rows` rows together; None without any."""
    where = panes.c.series == series, panes.c.closed == true(), panes.c.segment == segment
    first, total = None, 0
    query = select(panes.c.tick, panes.c.rows).where(*where).order_by(panes.c.tick.desc())
    with connection.execute(query.execution_options(yield_per=CHUNK)) as found:
        for tick, count in found:
            first, total = tick, total + count
            if total >= rows:
                break
    return first


def tick_panes(connection: Connection, series: int, tick: int) -> list[Pane]:
    """All panes of one tick, closed or not."""
    query = select(panes).where(panes.c.series == series, panes.c.tick == tick).order_by(panes.c.id)
    return [_pane(row) for row in connection.execute(query)]


def replace(connection: Connection, old: Iterable[int], new: Sequence[Pane]) -> None:
    """Exchange parts for their merger; raises PartsChanged when one of them is gone."""
    ids = list(old)
    gone = 0
    for start in range(0, len(ids), CHUNK):
        gone += connection.execute(delete(panes).where(panes.c.id.in_(ids[start : start + CHUNK]))).rowcount
    if gone != len(ids):
        raise PartsChanged(f"{len(ids) - gone} of {len(ids)} parts were replaced by someone else")
    insert(connection, new)


def drop_closed(connection: Connection, series: int, below: int) -> int:
    where = panes.c.series == series, panes.c.closed == true(), panes.c.tick < below
    return connection.execute(delete(panes).where(*where)).rowcount


def last_tick(connection: Connection, series: int, below: int, labelled: bool) -> int | None:
    """The last tick below `below` that has rows (labelled ones) in any segment, closed or not."""
    some = panes.c.labelled > 0 if labelled else panes.c.rows > 0
    found = []
    for closed in (True, False):  # the index begins with it
        where = panes.c.series == series, panes.c.closed.is_(closed), panes.c.tick < below, some
        found.append(connection.scalar(select(panes.c.tick).where(*where).order_by(panes.c.tick.desc()).limit(1)))
    return max((tick for tick in found if tick is not None), default=None)


def totals(connection: Connection, series: int) -> tuple[int, int]:
    """(rows, labelled rows) over all panes of a series."""
    query = select(func.coalesce(func.sum(panes.c.rows), 0), func.coalesce(func.sum(panes.c.labelled), 0))
    row = connection.execute(query.where(panes.c.series == series)).one()
    return int(row[0]), int(row[1])


def _pane(row: Row[Any]) -> Pane:
    return Pane(**row._mapping)
