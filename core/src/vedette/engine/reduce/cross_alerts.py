"""Alert rules over several monitors, judged on the latest result of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from vedette.config.plan import AlertSpec
from vedette.config.rules import Rule
from vedette.engine.bundle import Bundle
from vedette.engine.reduce import alerts
from vedette.engine.reduce.last_rows import last_row
from vedette.engine.work.accumulate import needs_labels
from vedette.store import leases, results, series
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import StoredResult

NEVER = -1e18  # an event time before all others
LOOK_EVERY = 1.0  # seconds of silence between two looks at a rule about silence


class CrossAlerts:
    """The plan's top-level rules. Runs under the lease of the default pool."""

    def __init__(self, store: Store, bundle: Bundle, hooks: bool) -> None:
        self.store = store
        self.bundle = bundle
        self.hooks = hooks
        self._seen: dict[str, float] = {}

    def step(self, lease: Lease, watermark: float) -> None:
        for rule in self.bundle.plan.alerts:
            self._judge(rule, lease, watermark)

    def _window(self, monitor: str) -> str | None:
        """Of a monitor with several windows, the first is meant."""
        spec = next((m for m in self.bundle.plan.monitors if m.name == monitor), None)
        return spec.windows[0].name if spec is not None and spec.windows else None

    def _waits(self, monitor: str) -> bool:
        """Whether its rows are those whose labels have come."""
        return needs_labels(self.bundle, self.bundle.plan.monitor(monitor))

    def _judge(self, rule: AlertSpec, lease: Lease, watermark: float) -> None:
        """At the end of every window that any of its monitors has closed since, whatever comes in one step."""
        model = self.bundle.plan.model
        parsed = alerts.parse_rule(rule.when)
        # a rule that reads no value is about silence, and any monitor's row breaks it
        monitors = sorted({path[0] for path in parsed.names} or {m.name for m in self.bundle.plan.monitors})
        with self.store.read() as connection:
            running = {s.monitor: s for s in series.active(connection, model)}
            # what a retired series said last is about another configuration
            known = {m: running[m].id for m in monitors if m in running}
            heard = [(running[m], self._waits(m)) for m in known]
            latest = {m: self._results(connection, m, number, limit=1) for m, number in known.items()}
            newest = max((r.end for rows in latest.values() for r in rows), default=NEVER)
            times = self._times(parsed, rule, newest, watermark)
            if not times:
                return
            judged = results.get_alert_state(connection, model, rule.name, "", "").judged
            before = {m: self._results(connection, m, number, until=judged, limit=1) for m, number in known.items()}
            since = {m: self._results(connection, m, number, since=judged) for m, number in known.items()}
        ends = {r.end for rows in since.values() for r in rows if r.end > judged}
        with self.store.write() as connection:
            leases.check(connection, lease)
            now = self.store.now(connection)
            for at in sorted({*ends, *(time for time in times if time > judged)}):
                found = {
                    m: rows[-1] for m in known if (rows := [*before[m], *(r for r in since[m] if judged < r.end <= at)])
                }
                last = last_row(connection, model, heard, at) if parsed.hears_silence else at
                alerts.judge(connection, self.bundle, rule, found, _silence(at, last), now, self.hooks, end=at)
        self._seen[rule.name] = times[-1]

    def _times(self, parsed: Rule, rule: AlertSpec, newest: float, watermark: float) -> list[float]:
        """The newest result's end, and now for a rule about silence; empty where nothing is new."""
        at = max(newest, watermark) if parsed.hears_silence else newest
        seen = self._seen.get(rule.name, NEVER)
        if at <= NEVER or at == seen or at < seen + (LOOK_EVERY if at > newest else 0.0):
            return []
        return [at]

    def _results(self, connection: Connection, monitor: str, series_id: int, **filters: Any) -> list[StoredResult]:
        window = self._window(monitor)
        model = self.bundle.plan.model
        return results.query(connection, model, monitor, window, "", series=series_id, mature=True, **filters)


def _silence(at: float, last: float) -> Callable[[float], bool]:
    return lambda seconds: at - last > seconds
