"""What components lost by raising: missing rows and quarantine, written in one order by all who write them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.engine.events import failure_event
from vedette.engine.work.accumulate import Failure
from vedette.store import outbox, series


def report_failures(connection: Connection, bundle: Bundle, failures: Iterable[Failure], now: float) -> None:
    """Count missing rows, quarantine and tell the sinks; series by series in order of id, as all who lock several."""
    for failure in _summed(failures):
        series.add_missing(connection, failure.series, failure.rows)
        if failure.reason and series.quarantine(connection, failure.series, failure.reason):
            event = failure_event(bundle.plan.model, failure, now)
            outbox.put(connection, bundle.plan, event, now, bundle.listened)


def _summed(failures: Iterable[Failure]) -> list[Failure]:
    """One failure a series, with all of its rows and the first reason given."""
    of: dict[int, Failure] = {}
    for failure in failures:
        before = of.get(failure.series)
        if before is None:
            of[failure.series] = Failure(failure.series, failure.monitor, failure.reason, failure.rows)
        else:
            before.rows += failure.rows
            before.reason = before.reason or failure.reason
    return [of[series_id] for series_id in sorted(of)]
