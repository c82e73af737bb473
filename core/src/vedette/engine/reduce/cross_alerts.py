"""Alert rules over several monitors, judged on the latest result of each."""

from __future__ import annotations

from sqlalchemy import Connection

from vedette.config.plan import AlertSpec
from vedette.engine.bundle import Bundle
from vedette.engine.reduce import alerts
from vedette.store import leases, results, series
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import StoredResult

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

    def _latest(self, connection: Connection, monitor: str, series_id: int) -> list[StoredResult]:
        window = self._window(monitor)
        model = self.bundle.plan.model
        return results.query(connection, model, monitor, window, "", series=series_id, limit=1, mature=True)

    def _judge(self, rule: AlertSpec, lease: Lease, watermark: float) -> None:
        parsed = alerts.parse_rule(rule.when)
        # a rule that reads no value is about silence, and any monitor's result breaks it
        monitors = sorted({path[0] for path in parsed.names} or {m.name for m in self.bundle.plan.monitors})
        with self.store.read() as connection:
            running = {s.monitor: s.id for s in series.active(connection, self.bundle.plan.model)}
            # what a retired series said last is about another configuration
            latest = [self._latest(connection, m, running[m]) if m in running else [] for m in monitors]
        found = {name: rows[0] for name, rows in zip(monitors, latest, strict=True) if rows}
        newest = max((r.end for r in found.values()), default=-float("inf"))
        at = max(newest, watermark) if "no_data" in rule.when else newest
        if at < self._seen.get(rule.name, -float("inf")) + (LOOK_EVERY if at > newest else 0.0) or at == -float("inf"):
            return
        if at == self._seen.get(rule.name):
            return
        with self.store.write() as connection:
            leases.check(connection, lease)
            now = self.store.now(connection)

            def silence(seconds: float) -> bool | None:
                return watermark - newest > seconds

            alerts.judge(connection, self.bundle, rule, found, silence, now, self.hooks, end=at)
        self._seen[rule.name] = at
