"""Explain jobs: made with the result that flagged a row, claimed by one explainer replica at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from vedette.store.database import upsert
from vedette.store.tables import jobs

MAX_TRIES = 3
MAX_WAITING = 1000


@dataclass(frozen=True)
class Job:
    id: str
    explainer: str
    monitor: str
    segment: str
    request: str
    row: int
    blob: bytes
    created: float
    tries: int


def put(connection: Connection, model: str, job: Job) -> bool:
    """Queue a job; the same id once. False when the queue is full."""
    waiting = select(func.count()).select_from(jobs).where(jobs.c.model == model, jobs.c.status == "waiting")
    if (connection.scalar(waiting) or 0) >= MAX_WAITING:
        return False
    row = {**job.__dict__, "model": model, "status": "waiting", "lease_until": 0.0}
    upsert(connection, jobs, row, ("id",), {})
    return True


def made_since(connection: Connection, model: str, monitor: str, time: float) -> int:
    """Jobs that a monitor has made since `time`: what its budget has spent."""
    where = jobs.c.model == model, jobs.c.monitor == monitor, jobs.c.created >= time
    return int(connection.scalar(select(func.count()).select_from(jobs).where(*where)) or 0)


def claim(
    connection: Connection, model: str, who: str, now: float, seconds: float, limit: int, explainers: Sequence[str]
) -> list[Job]:
    """Take waiting jobs of some explainers, and those whose claimer has not finished in time."""
    free = or_(jobs.c.status == "waiting", (jobs.c.status == "running") & (jobs.c.lease_until < now))
    free = free & jobs.c.explainer.in_(explainers)
    query = select(jobs).where(jobs.c.model == model, free).order_by(jobs.c.created).limit(limit)
    found = list(connection.execute(query.with_for_update(skip_locked=True)))
    spent = [row.id for row in found if row.tries >= MAX_TRIES]
    error = f"none of {MAX_TRIES} replicas lived to answer"
    connection.execute(update(jobs).where(jobs.c.id.in_(spent)).values(status="failed", error=error))
    found = [row for row in found if row.id not in spent]
    for row in found:
        values = {"status": "running", "claimed_by": who, "lease_until": now + seconds, "tries": row.tries + 1}
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
    return [Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__}) for row in found]


def finish(connection: Connection, job: Job, result: Mapping[str, Any]) -> None:
    where = jobs.c.id == job.id, jobs.c.status != "done"
    connection.execute(update(jobs).where(*where).values(status="done", result=json.dumps(result), error=None))


def fail(connection: Connection, job: Job, error: str, now: float) -> None:
    """Try again later, three times at most."""
    status = "failed" if job.tries + 1 >= MAX_TRIES else "waiting"
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(status=status, error=error[:2000]))


def get(connection: Connection, model: str, job_id: str) -> dict[str, Any] | None:
    row = connection.execute(select(jobs).where(jobs.c.model == model, jobs.c.id == job_id)).first()
    return None if row is None else _json(row)


def listed(connection: Connection, model: str, limit: int = 100) -> list[dict[str, Any]]:
    """The latest jobs, newest first."""
    query = select(jobs).where(jobs.c.model == model).order_by(jobs.c.created.desc()).limit(limit)
    return [_json(row) for row in connection.execute(query)]


def drop_before(connection: Connection, model: str, time: float) -> int:
    """Forget jobs that ended, made before `time`."""
    where = jobs.c.model == model, jobs.c.created < time, jobs.c.status.in_(("done", "failed"))
    return connection.execute(jobs.delete().where(*where)).rowcount


def depth(connection: Connection, model: str) -> int:
    """Jobs that wait: what explainer replicas scale by."""
    where = jobs.c.model == model, jobs.c.status == "waiting"
    return int(connection.scalar(select(func.count()).select_from(jobs).where(*where)) or 0)


def _json(row: Any) -> dict[str, Any]:
    keys = ("id", "explainer", "monitor", "segment", "request", "row", "status", "created", "tries", "error")
    return {key: getattr(row, key) for key in keys} | {"result": json.loads(row.result) if row.result else None}
