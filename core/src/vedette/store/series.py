"""Series: the life of one monitor under one configuration. Bundles and deployments are kept with them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from vedette.store.database import upsert
from vedette.store.tables import bundles, deployments, segments, series
from vedette.store.texts import storable

OTHER = "other"
MAX_SEGMENTS = 100
BEFORE_ALL = -(2**53)


@dataclass(frozen=True)
class Series:
    id: int
    model: str
    monitor: str
    pool: str
    fingerprint: str
    digest: str
    status: str
    reason: str | None
    tick: float
    closed: int
    kept_from: int
    created: float
    ended: float | None
    late_rows: int
    missing_rows: int


def put_bundle(connection: Connection, digest: str, model: str, body: bytes, now: float) -> None:
    upsert(connection, bundles, {"digest": digest, "model": model, "body": body, "created": now}, ("digest",), {})


def get_bundle(connection: Connection, digest: str) -> bytes | None:
    found = connection.scalar(select(bundles.c.body).where(bundles.c.digest == digest))
    return bytes(found) if found is not None else None


def deployed(connection: Connection, model: str, lock: bool = False) -> str | None:
    """Digest of the bundle that a model's monitors run on. lock: no other deploy until the transaction ends."""
    if lock:  # the first deploy needs a row to lock too
        upsert(connection, deployments, {"model": model, "digest": "", "changed": 0.0}, ("model",), {})
    query = select(deployments.c.digest).where(deployments.c.model == model)
    return connection.scalar(query.with_for_update() if lock else query) or None


def deploy(connection: Connection, model: str, digest: str, now: float) -> None:
    values = {"digest": digest, "changed": now}
    upsert(connection, deployments, {"model": model, **values}, ("model",), values)


def active(connection: Connection, model: str) -> list[Series]:
    """Series that take rows, or did until a component of theirs was quarantined."""
    where = series.c.model == model, series.c.status.in_(("active", "quarantined"))
    return [Series(**r._mapping) for r in connection.execute(select(series).where(*where).order_by(series.c.id))]


def all_series(connection: Connection, model: str, monitor: str | None = None) -> list[Series]:
    query = select(series).where(series.c.model == model).order_by(series.c.id)
    if monitor is not None:
        query = query.where(series.c.monitor == monitor)
    return [Series(**row._mapping) for row in connection.execute(query)]


def start(
    connection: Connection, model: str, monitor: str, pool: str, fingerprint: str, digest: str, tick: float, now: float
) -> int:
    statement = series.insert().values(
        model=model, monitor=monitor, pool=pool, fingerprint=fingerprint, digest=digest, status="active",
        tick=tick, closed=BEFORE_ALL, kept_from=BEFORE_ALL, created=now, late_rows=0, missing_rows=0,
    )  # fmt: skip
    return int(connection.execute(statement.returning(series.c.id)).scalar_one())


def retire(connection: Connection, series_id: int, reason: str, now: float) -> None:
    connection.execute(
        update(series).where(series.c.id == series_id).values(status="retired", reason=reason, ended=now)
    )


def quarantine(connection: Connection, series_id: int, reason: str) -> bool:
    """Stop a series whose component raises; True for the first who says so."""
    where = series.c.id == series_id, series.c.status == "active"
    return connection.execute(update(series).where(*where).values(status="quarantined", reason=reason)).rowcount == 1


def add_missing(connection: Connection, series_id: int, rows: int) -> None:
    changed = {"missing_rows": series.c.missing_rows + rows}
    connection.execute(update(series).where(series.c.id == series_id).values(changed))


def quarantined(connection: Connection, model: str) -> set[int]:
    where = series.c.model == model, series.c.status == "quarantined"
    return set(connection.scalars(select(series.c.id).where(*where)))


def lock(connection: Connection, series_id: int) -> Series:
    """The series' row, locked until the transaction ends."""
    return Series(**connection.execute(select(series).where(series.c.id == series_id).with_for_update()).one()._mapping)


def close_to(connection: Connection, series_id: int, closed: int, late_rows: int) -> None:
    changed = {"closed": closed, "late_rows": series.c.late_rows + late_rows}
    connection.execute(update(series).where(series.c.id == series_id).values(changed))


def keep_from(connection: Connection, series_id: int, tick: int) -> None:
    connection.execute(update(series).where(series.c.id == series_id).values(kept_from=tick))


def segment_name(connection: Connection, series_id: int, segment: str) -> str:
    """`segment`, or "other" when the series has its full number of segments already: the store decides for all.

    It is cut to what the store can hold.
    """
    segment = storable(segment)
    known = select(segments.c.segment).where(segments.c.series == series_id)
    if connection.scalar(known.where(segments.c.segment == segment)) is not None:
        return segment
    lock(connection, series_id)  # or two replicas would both take the last place
    names = set(connection.scalars(known))
    chosen = segment if segment in names or len(names) < MAX_SEGMENTS else OTHER
    upsert(connection, segments, {"series": series_id, "segment": chosen, "rows": 0}, ("series", "segment"), {})
    return chosen


def segment_rows(connection: Connection, series_id: int) -> dict[str, tuple[int, int | None]]:
    """segment -> (rows in closed ticks, last closed tick with rows)."""
    query = select(segments.c.segment, segments.c.rows, segments.c.last_tick).where(segments.c.series == series_id)
    return {row.segment: (row.rows, row.last_tick) for row in connection.execute(query)}


def set_segment_rows(connection: Connection, series_id: int, segment: str, rows: int, last_tick: int | None) -> None:
    values = {"rows": rows, "last_tick": last_tick}
    upsert(connection, segments, {"series": series_id, "segment": segment, **values}, ("series", "segment"), values)
