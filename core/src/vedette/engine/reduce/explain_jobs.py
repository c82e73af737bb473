"""Flagged rows become jobs for the explainers, within their monitor's budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec
from vedette.engine.events import event_id
from vedette.engine.reduce.evaluate import Evaluator
from vedette.engine.reduce.windows import Span
from vedette.engine.work.flags import OutlierFlags
from vedette.store import jobs
from vedette.store.jobs import Job


def wanted_jobs(model: str, spec: MonitorSpec, evaluator: Evaluator, span: Span, created: float) -> list[Job]:
    """Of the rows that an outlier detector has flagged in these ticks."""
    if spec.explain is None:
        return []
    part = spec.components[0]
    flags = evaluator.component(part)
    state = span.states.get(part.alias)
    if not isinstance(flags, OutlierFlags) or state is None:
        return []
    name = spec.explain.explainer
    return [
        Job(event_id("explain", model, spec.name, name, item["id"], item["row"]), name, spec.name,
            evaluator.segment, item["id"], item["row"], item["batch"], created, 0)
        for item in flags.flagged_inputs(state)
    ]  # fmt: skip


def queue_jobs(connection: Connection, model: str, spec: MonitorSpec, wanted: Sequence[Job], now: float) -> None:
    """As many as the monitor's budget has left."""
    if spec.explain is None or not wanted:
        return
    left = spec.explain.at_most - jobs.made_since(connection, model, spec.name, now - spec.explain.per)
    for job in wanted[: max(0, left)]:
        jobs.put(connection, model, replace(job, created=now))
