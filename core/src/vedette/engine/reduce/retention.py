"""Forgetting: blocks of predictions and their labels, panes that no window needs, old results, what has ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec, Plan
from vedette.engine.bundle import Bundle
from vedette.engine.reduce.evaluate import Evaluator
from vedette.engine.reduce.moving import merged_panes
from vedette.store import forgetting, jobs, leases, log, outbox, panes, predictions, results, series
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.panes import Pane
from vedette.store.series import Series
from vedette_specs.codec import encode

LATENESS = 86_400.0  # how long a closed tick can still be revised by late rows
LIMIT = 1000  # blocks, labels or panes deleted in one transaction
ROUNDS = 200  # transactions of a kind in one step: what is left then waits for the next


class Retention:
    """Runs in the holder of the default pool's lease, about once a minute."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store = store
        self.bundle = bundle

    def step(self, lease: Lease | None = None) -> dict[str, int]:
        """Returns what was dropped, by kind. Raises LeaseLost where another process holds `lease` by now."""
        plan = self.bundle.plan
        running = self._running()
        kept = max(plan.retention, horizon(plan))
        with self._write(lease) as connection:
            now = self.store.now(connection)
            old = max((_reached(row, now) for row in running), default=now) - kept
            model, ended = plan.model, now - kept
            dropped = {
                "results": results.drop_before(connection, model, old),
                "events": outbox.drop_before(connection, model, ended),
                "jobs": jobs.drop_before(connection, model, ended),
                "alerts": results.drop_alerts_before(connection, model, old),
                "replicas": log.drop_before(connection, model, ended),
                "poisoned": forgetting.drop_poisoned(connection, model, ended),
                "retired": forgetting.drop_retired(connection, model, ended),
                "bundles": forgetting.drop_bundles(connection, model, ended),
            }
        within = plan.labels.within
        dropped["blocks"] = self._drop_all(lease, lambda c: predictions.drop_before(c, model, old, LIMIT))
        dropped["labels"] = self._drop_all(lease, lambda c: forgetting.drop_labels(c, model, old, within, LIMIT))
        dropped["panes"] = self._drop_all(lease, lambda c: forgetting.drop_retired_panes(c, model, ended, LIMIT))
        for row in running:
            dropped["panes"] += self._drop_panes(row, now, lease)
        return dropped

    @contextmanager
    def _write(self, lease: Lease | None) -> Iterator[Connection]:
        with self.store.write() as connection:
            if lease is not None:
                leases.check(connection, lease)
            yield connection

    def _drop_all(self, lease: Lease | None, some: Callable[[Connection], int]) -> int:
        """Delete in short transactions, so that nobody waits long for the store."""
        total = 0
        for _ in range(ROUNDS):
            with self._write(lease) as connection:
                count = some(connection)
            total += count
            if count < LIMIT:
                break
        return total

    def _running(self) -> list[Series]:
        names = {m.name for m in self.bundle.plan.monitors}
        with self.store.read() as connection:
            return [s for s in series.active(connection, self.bundle.plan.model) if s.monitor in names]

    def _drop_panes(self, row: Series, now: float, lease: Lease | None) -> int:
        spec = self.bundle.plan.monitor(row.monitor)
        with self._write(lease) as connection:
            if series.lock(connection, row.id).kept_from != row.kept_from:
                return 0
            segments = list(series.segment_rows(connection, row.id))
            first = math.floor((_reached(row, now) - reach(spec, self.bundle.plan)) / row.tick)
            for segment in segments:
                for window in spec.windows:
                    if window.rows is not None:
                        held = panes.closed_ticks(connection, row.id, segment, window.rows)
                        first = first if held is None else min(first, held)
            if first <= row.kept_from:
                return 0
            series.keep_from(connection, row.id, first)
            if any(window.lifetime for window in spec.windows):
                return sum(self._compact(connection, row, spec, segment, first) for segment in segments)
            return panes.drop_closed(connection, row.id, first)

    def _compact(self, connection: Connection, row: Series, spec: MonitorSpec, segment: str, first: int) -> int:
        """Merge what only a lifetime window still asks for into one pane; returns how many panes that saves."""
        old = panes.closed_range(connection, row.id, segment, series.BEFORE_ALL, first)
        span = merged_panes(old, Evaluator(self.bundle, spec, segment))
        if span is None or len(old) < 2:
            return 0
        state = encode(dict(span.states)) if span.states else None
        whole = Pane(row.id, segment, span.first, span.rows, state, span.labelled, span.lag, closed=True)
        panes.replace(connection, [pane.id for pane in old], [whole])
        return len(old) - 1


def _reached(row: Series, now: float) -> float:
    """How far a series is in event time: what is behind the clock in a replay or after a pause is not old yet."""
    return min(now, row.closed * row.tick)


def reach(spec: MonitorSpec, plan: Plan) -> float:
    """Seconds back that a monitor's panes can still be asked for."""
    return max(LATENESS, plan.labels.within) + max((w.reach for w in spec.windows), default=0.0)


def horizon(plan: Plan) -> float:
    """Seconds back that anything of the plan can still be asked for."""
    return max((reach(m, plan) for m in plan.monitors), default=LATENESS)
