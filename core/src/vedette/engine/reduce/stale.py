"""Alerts that nothing is heard of any more: of a region without traffic, nobody would ever end them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.engine.reduce.telling import resolve
from vedette.engine.work.accumulate import needs_labels
from vedette.store import leases, results
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import AlertState

PATIENCE = 86_400.0  # seconds of event time, after which another result should have come
LOOK_EVERY = 60.0
NEVER = -1e18


class StaleAlerts:
    """Resolves live alerts whose rule had nothing to judge for a day longer than its windows and labels take.

    Runs under the lease of the default pool.
    """

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store = store
        self.bundle = bundle
        self._looked = NEVER

    def step(self, lease: Lease, watermark: float) -> None:
        with self.store.read() as connection:
            now = self.store.now(connection)
            if now < self._looked + LOOK_EVERY:
                return
            self._looked = now
            if not self._stale(connection, watermark):
                return
        with self.store.write() as connection:
            leases.check(connection, lease)
            for body, state in self._stale(connection, watermark, lock=True):
                resolve(connection, self.bundle, body, state, "no_data", self.store.now(connection))

    def _stale(self, connection: Connection, watermark: float, lock: bool = False) -> list[tuple[Any, AlertState]]:
        live = results.live_alerts(connection, self.bundle.plan.model, lock)
        return [(body, state) for body, state in live if state.judged + self._patience(body) < watermark]

    def _patience(self, body: Mapping[str, Any]) -> float:
        spec = next((m for m in self.bundle.plan.monitors if m.name == body["monitor"]), None)
        if spec is None:
            return PATIENCE
        windows = [w for w in spec.windows if w.rows is None and body["window"] in ("", w.name)]
        within = self.bundle.plan.labels.within if needs_labels(self.bundle, spec) else 0.0
        return PATIENCE + within + max((max(w.reach, w.every) for w in windows), default=0.0)
