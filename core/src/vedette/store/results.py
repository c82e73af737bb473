"""Results, the memories of sequential detectors, and the states of alerts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, and_, false, or_, select, true, update

from vedette.store.database import upsert
from vedette.store.tables import alert_states, alerts, memories, results
from vedette_specs.codec import decode, encode

LIVE = ("pending", "firing")
BLANK = -1  # revision of a result that is not computed yet


@dataclass(frozen=True)
class StoredResult:
    """A window's result. body: Result.to_json() plus what the engine adds (coverage, lag)."""

    series: int
    model: str
    monitor: str
    window: str
    segment: str
    start: float
    end: float
    revision: int
    n: int
    status: str
    body: Mapping[str, Any]
    created: float = 0.0
    revised: float = 0.0
    dirty: bool = False
    judged: bool = False
    id: int = 0

    def to_json(self) -> dict[str, Any]:
        keys = ("monitor", "window", "segment", "start", "end", "revision", "created", "revised")
        return {key: getattr(self, key) for key in keys} | dict(self.body)


def put(connection: Connection, result: StoredResult) -> None:
    """Insert a window's first result, or replace the last revision of it."""
    values = {k: v for k, v in result.__dict__.items() if k != "id"} | {"body": json.dumps(result.body)}
    fresh = {k: values[k] for k in ("revision", "n", "status", "body", "revised", "dirty", "judged", "start")}
    upsert(connection, results, values, ("series", "window", "segment", "end"), fresh)


def begin(connection: Connection, blank: StoredResult) -> None:
    """Insert a result that is to be computed by the next revision, unless the window has one."""
    values = {k: v for k, v in blank.__dict__.items() if k != "id"} | {"body": json.dumps(blank.body)}
    upsert(connection, results, values, ("series", "window", "segment", "end"), {})


def mark_dirty(
    connection: Connection, series: int, segment: str | None, start: float, end: float, folded: str,
    lifetimes: Sequence[str] = (),
) -> int:  # fmt: skip
    """Windows that hold some of [start, end) are to be revised, `lifetimes` whenever they began; `folded` never."""
    where = [results.c.series == series, results.c.window != folded]
    where += [] if segment is None else [results.c.segment == segment]
    overlap = results.c.end > start, or_(results.c.start < end, results.c.window.in_(lifetimes))
    return connection.execute(update(results).where(*where, *overlap).values(dirty=True)).rowcount


def dirty(connection: Connection, series: int) -> list[StoredResult]:
    where = results.c.series == series, results.c.dirty == true()
    return [_stored(row) for row in connection.execute(select(results).where(*where).order_by(results.c.end))]


def unjudged(connection: Connection, series: int, limit: int = 1000) -> list[StoredResult]:
    """Results that no alert rule has judged yet, because their labels were still coming."""
    where = results.c.series == series, results.c.judged == false()
    return [
        _stored(row) for row in connection.execute(select(results).where(*where).order_by(results.c.end).limit(limit))
    ]


def query(
    connection: Connection,
    model: str,
    monitor: str | None = None,
    window: str | None = None,
    segment: str | None = None,
    since: float | None = None,
    until: float | None = None,
    series: int | None = None,
    limit: int = 1000,
    mature: bool = False,
) -> list[StoredResult]:
    """The latest results that match, oldest first. mature: leave out those whose labels are still coming."""
    c = results.c
    filters = [c.model == model, c.revision > BLANK]
    for column, wanted in ((c.monitor, monitor), (c.window, window), (c.segment, segment), (c.series, series)):
        if wanted is not None:
            filters.append(column == wanted)
    if mature:
        filters.append(c.status != "immature")
    if since is not None:
        filters.append(c.end >= since)
    if until is not None:
        filters.append(c.end <= until)
    rows = connection.execute(select(results).where(and_(*filters)).order_by(c.end.desc(), c.id.desc()).limit(limit))
    return [_stored(row) for row in rows][::-1]


def windows(connection: Connection, model: str, monitor: str | None = None) -> set[str]:
    """The names of the windows that have results."""
    c = results.c
    where = c.model == model, *(() if monitor is None else (c.monitor == monitor,))
    return set(connection.scalars(select(c.window).where(*where).distinct()))


def alarms(connection: Connection, series: int, window: str, segment: str, since: float, until: float) -> list[float]:
    """Ascending ends, in [since, until), of the results of a sequential detector whose value `alarm` is 1."""
    c = results.c
    where = c.series == series, c.window == window, c.segment == segment, c.end >= since, c.end < until
    told = c.body.like('%"alarm": 1%')  # spares reading all that say 0; what says 1 elsewhere is told apart below
    rows = connection.execute(select(c.end, c.body).where(*where, told).order_by(c.end))
    return [row.end for row in rows if json.loads(row.body)["values"].get("alarm") == 1]


def drop_before(connection: Connection, model: str, time: float) -> int:
    where = results.c.model == model, results.c.end < time
    return connection.execute(results.delete().where(*where)).rowcount


def drop_alerts_before(connection: Connection, model: str, time: float) -> int:
    return connection.execute(alerts.delete().where(alerts.c.model == model, alerts.c.time < time)).rowcount


def get_memory(connection: Connection, series: int, name: str) -> tuple[int, Any] | None:
    """(tick, value) of a named memory."""
    where = memories.c.series == series, memories.c.name == name
    row = connection.execute(select(memories.c.tick, memories.c.body).where(*where)).first()
    return None if row is None else (row.tick, decode(row.body))


def put_memory(connection: Connection, series: int, name: str, tick: int, value: Any) -> None:
    values = {"tick": tick, "body": encode(value)}
    upsert(connection, memories, {"series": series, "name": name, **values}, ("series", "name"), values)


@dataclass(frozen=True)
class AlertState:
    """state: inactive, pending or firing; count: evaluations in a row that held; since: when they began.

    quiet, lapsed, lapsed_since: while firing, the rows and evaluations since the rule held last, and when these began.
    """

    state: str = "inactive"
    since: float = 0.0
    count: int = 0
    judged: float = -1e18
    quiet: int = 0
    lapsed: int = 0
    lapsed_since: float = 0.0
    told: str = ""  # the last state whose event went to the sinks
    withheld: str = ""  # the event that they get when a silence ends, as JSON
    acknowledged: str = ""  # by whom and when, as JSON
    memory: bytes | None = None  # of a change-point rule


STATE_COLUMNS = tuple(field.name for field in fields(AlertState))
AlertKey = tuple[str, str, str]  # rule, segment, window


def get_alert_state(
    connection: Connection, model: str, rule: str, segment: str, window: str, lock: bool = False
) -> AlertState:
    """lock: nobody else changes it until the transaction ends."""
    query = select(alert_states).where(*_alert_is(model, (rule, segment, window)))
    row = connection.execute(query.with_for_update() if lock else query).first()
    return AlertState() if row is None else _alert_state(row)


def put_alert_state(
    connection: Connection, model: str, rule: str, segment: str, window: str, state: AlertState, body: Mapping[str, Any]
) -> None:
    values = {**state.__dict__, "body": json.dumps(body)}
    keys = {"model": model, "rule": rule, "segment": segment, "window": window}
    upsert(connection, alert_states, {**keys, **values}, tuple(keys), values)


def _alert_is(model: str, key: AlertKey) -> list[Any]:
    c = alert_states.c
    return [c.model == model, c.rule == key[0], c.segment == key[1], c.window == key[2]]


def withheld_alerts(connection: Connection, model: str, lock: bool = False) -> list[tuple[AlertKey, AlertState]]:
    """Alerts with an event that waits for the end of a silence. lock: nobody else changes them meanwhile."""
    where = alert_states.c.model == model, alert_states.c.withheld != ""
    query = select(alert_states).where(*where).order_by(*alert_states.primary_key)
    rows = connection.execute(query.with_for_update() if lock else query)
    return [((row.rule, row.segment, row.window), _alert_state(row)) for row in rows]


def set_told(connection: Connection, model: str, key: AlertKey, told: str) -> None:
    """The sinks have been told what was withheld."""
    connection.execute(update(alert_states).where(*_alert_is(model, key)).values(told=told, withheld=""))


def acknowledge(connection: Connection, model: str, key: AlertKey, said: str) -> bool:
    """Keep who has acknowledged a pending or firing alert; False where there is none."""
    live = alert_states.c.state.in_(LIVE)
    statement = update(alert_states).where(*_alert_is(model, key), live).values(acknowledged=said)
    return connection.execute(statement).rowcount == 1


def alert_body(connection: Connection, model: str, key: AlertKey) -> Mapping[str, Any]:
    """The alert as it was put last."""
    found: Mapping[str, Any] = json.loads(
        connection.execute(select(alert_states.c.body).where(*_alert_is(model, key))).scalar_one()
    )
    return found


def live_alerts(connection: Connection, model: str, lock: bool = False) -> list[tuple[Mapping[str, Any], AlertState]]:
    """(alert body, state) of all rules that are pending or firing. lock: nobody else changes them meanwhile."""
    where = alert_states.c.model == model, alert_states.c.state.in_(LIVE)
    query = select(alert_states).where(*where).order_by(*alert_states.primary_key)
    rows = connection.execute(query.with_for_update() if lock else query)
    return [(json.loads(r.body), _alert_state(r)) for r in rows]


def add_alert(connection: Connection, model: str, body: Mapping[str, Any], time: float) -> None:
    connection.execute(
        alerts.insert().values(
            model=model, rule=body["rule"], monitor=body["monitor"], segment=body["segment"],
            state=body["state"], time=time, body=json.dumps(body),
        )
    )  # fmt: skip


def alert_history(connection: Connection, model: str, since: float | None = None, limit: int = 1000) -> Sequence[Any]:
    """Changes of alert states, oldest first."""
    where = [alerts.c.model == model] + ([] if since is None else [alerts.c.time >= since])
    rows = connection.execute(select(alerts.c.body).where(*where).order_by(alerts.c.id.desc()).limit(limit))
    return [json.loads(body) for (body,) in rows][::-1]


def _alert_state(row: Any) -> AlertState:
    return AlertState(**{name: row._mapping[name] for name in STATE_COLUMNS})


def _stored(row: Any) -> StoredResult:
    return StoredResult(**{**row._mapping, "body": json.loads(row.body)})
