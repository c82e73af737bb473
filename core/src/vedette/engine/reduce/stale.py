"""Alerts that nothing is heard of any more: of a region without traffic, nobody would ever end them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.engine.reduce.telling import resolve
from vedette.engine.work.accumulate import needs_labels
from vedette.store import leases, results
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import AlertState

NO_DATA = "no_data"
PATIENCE = 86_400.0  # seconds of event time, after which another result should have come
LOOK_EVERY = 60.0  # seconds of event time
NEVER = -1e18


def lasts_until(bundle: Bundle, monitor: str, window: str, judged: float) -> float:
    """Event time up to which an alert that was judged at `judged` lives on without another result.

    monitor: whose result it was.  window: that of a monitor's own rule, "" for the longest.
    """
    spec = next((m for m in bundle.plan.monitors if m.name == monitor), None)
    if spec is None:
        return judged + PATIENCE
    windows = [w for w in spec.windows if w.rows is None and window in ("", w.name)]
    within = bundle.plan.labels.within if needs_labels(bundle, spec) else 0.0
    return judged + PATIENCE + within + max((max(w.reach, w.every) for w in windows), default=0.0)


class StaleAlerts:
    """Resolves live alerts whose rule had nothing to judge for a day longer than its windows and labels take.

    Runs under the lease of the default pool. Where the next result comes before anybody has looked, `judge` does it.
    """

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store = store
        self.bundle = bundle
        self._looked = NEVER

    def step(self, lease: Lease, watermark: float) -> None:
        if watermark < self._looked + LOOK_EVERY:
            return
        self._looked = watermark
        with self.store.read() as connection:
            if not self._stale(connection, watermark):
                return
        with self.store.write() as connection:
            leases.check(connection, lease)
            now = self.store.now(connection)
            for body, state, at in self._stale(connection, watermark, lock=True):
                resolve(connection, self.bundle, body, state, NO_DATA, at, now)

    def _stale(
        self, connection: Connection, watermark: float, lock: bool = False
    ) -> list[tuple[Any, AlertState, float]]:
        found = []
        for body, state in results.live_alerts(connection, self.bundle.plan.model, lock):
            until = lasts_until(self.bundle, body["monitor"], body["window"], state.judged)
            if until < watermark:
                found.append((body, state, until))
        return found
