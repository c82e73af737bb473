"""Forgetting what nothing names any more: labels without a prediction, parked batches, retired series, bundles."""

from __future__ import annotations

from sqlalchemy import Connection, Select, func, or_, select, true

from vedette.store.tables import (
    batch_log,
    bundles,
    deployments,
    labels,
    memories,
    panes,
    predictions,
    recomputes,
    segments,
    series,
)

AHEAD = 300.0  # seconds that a prediction's event time may lie ahead of its arrival
CHUNK = 500


def drop_labels(connection: Connection, model: str, time: float, within: float, limit: int) -> int:
    """Delete labels, at most `limit`, that came so long before `time` that their predictions are gone by now.

    A label may come up to `within` before its prediction, so one is kept that much longer than the oldest row.
    """
    oldest = connection.scalar(select(func.min(predictions.c.min_time)).where(predictions.c.model == model))
    before = min(time, time if oldest is None else float(oldest)) - within - AHEAD
    # the first by id are the first by arrival, so that looking costs little where nothing is old
    first = select(labels.c.id, labels.c.received).where(labels.c.model == model).order_by(labels.c.id).limit(limit)
    old = [row.id for row in connection.execute(first) if row.received < before]
    for start in range(0, len(old), CHUNK):
        connection.execute(labels.delete().where(labels.c.id.in_(old[start : start + CHUNK])))
    return len(old)


def drop_poisoned(connection: Connection, model: str, time: float) -> int:
    """Delete batches that were parked as poisoned and came before `time`."""
    mine = batch_log.c.pool.startswith(f"{model}/", autoescape=True), batch_log.c.poisoned == true()
    return connection.execute(batch_log.delete().where(*mine, batch_log.c.received < time)).rowcount


def drop_retired_panes(connection: Connection, model: str, time: float, limit: int) -> int:
    """Delete panes, at most `limit`, of series that were retired before `time`."""
    some = select(panes.c.id).where(panes.c.series.in_(_retired(model, time))).limit(limit)
    ids = list(connection.scalars(some))
    for start in range(0, len(ids), CHUNK):
        connection.execute(panes.delete().where(panes.c.id.in_(ids[start : start + CHUNK])))
    return len(ids)


def drop_retired(connection: Connection, model: str, time: float) -> int:
    """Delete memories, segments and recomputations of series that were retired before `time`; their rows stay."""
    old = _retired(model, time)
    return sum(
        connection.execute(table.delete().where(table.c.series.in_(old))).rowcount
        for table in (memories, segments, recomputes)
    )


def drop_bundles(connection: Connection, model: str, time: float) -> int:
    """Delete bundles made before `time` that no deployment names, nor a series that runs or was retired since."""
    deployed = select(deployments.c.digest)
    named = select(series.c.digest).where(or_(series.c.status != "retired", series.c.ended >= time))
    old = bundles.c.model == model, bundles.c.created < time
    unnamed = bundles.c.digest.not_in(deployed), bundles.c.digest.not_in(named)
    return connection.execute(bundles.delete().where(*old, *unnamed)).rowcount


def _retired(model: str, time: float) -> Select[tuple[int]]:
    return select(series.c.id).where(series.c.model == model, series.c.status == "retired", series.c.ended < time)
