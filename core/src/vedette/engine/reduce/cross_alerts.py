"""Alert rules over several monitors, judged on the latest result of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from vedette.config.plan import AlertSpec
from vedette.config.rules import Rule
from vedette.engine.bundle import Bundle
from vedette.engine.reduce import alerts
from vedette.engine.reduce.last_rows import last_row
from vedette.engine.reduce.matured import Matured
from vedette.engine.work.accumulate import needs_labels
from vedette.store import leases, results, series
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import AlertState, StoredResult
from vedette.store.series import Series

NEVER = -1e18  # an event time before all others
LOOK_EVERY = 1.0  # seconds of silence between two looks at a rule about silence


class CrossAlerts:
    """The plan's top-level rules. Runs under the lease of the default pool."""

    def __init__(self, store: Store, bundle: Bundle, hooks: bool) -> None:
        self.store = store
        self.bundle = bundle
        self.hooks = hooks
        self._seen: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._waiting = {m.name for m in bundle.plan.monitors if needs_labels(bundle, m)}

    def step(self, lease: Lease, watermark: float) -> None:
        for rule in self.bundle.plan.alerts:
            self._judge(rule, lease, watermark)
            if not rule.change:  # whose detectors take windows in their order
                self._judge_late(rule, lease)

    def _window(self, monitor: str) -> str | None:
        """Of a monitor with several windows, the first is meant."""
        spec = next((m for m in self.bundle.plan.monitors if m.name == monitor), None)
        return spec.windows[0].name if spec is not None and spec.windows else None

    def _monitors(self, parsed: Rule) -> list[str]:
        """Those that a rule names; one that reads no value is about silence, which any monitor's row breaks."""
        return sorted({path[0] for path in parsed.names} or {m.name for m in self.bundle.plan.monitors})

    def _running(self, connection: Connection, monitors: Iterable[str]) -> dict[str, Series]:
        """What a retired series said last is about another configuration."""
        running = {s.monitor: s for s in series.active(connection, self.bundle.plan.model)}
        return {m: running[m] for m in monitors if m in running}

    def _judge(self, rule: AlertSpec, lease: Lease, watermark: float) -> None:
        """At the end of every window that any of its monitors has closed since, whatever comes in one step."""
        model = self.bundle.plan.model
        parsed = alerts.parse_rule(rule.when)
        with self.store.read() as connection:
            running = self._running(connection, self._monitors(parsed))
            known = {m: row.id for m, row in running.items()}
            heard = [(row, m in self._waiting) for m, row in running.items()]
            latest = {m: self._results(connection, m, number, limit=1) for m, number in known.items()}
            newest = max((r.end for rows in latest.values() for r in rows), default=NEVER)
            times = self._times(parsed, rule, newest, watermark)
            if not times:
                return
            state = results.get_alert_state(connection, model, rule.name, "", "")
            judged, matured = state.judged, self._matured(connection, rule, state, known)
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
                if matured is not None:
                    new = [r for m in self._waiting & known.keys() for r in since[m] if judged < r.end <= at]
                    matured = matured.joined(new, at - self.bundle.plan.labels.within)
                alerts.judge(
                    connection, self.bundle, rule, found, alerts.silent_for(at, last), now, self.hooks, end=at,
                    memory=None if matured is None else matured.to_bytes(),
                )  # fmt: skip
        self._seen[rule.name] = times[-1]

    def _matured(
        self, connection: Connection, rule: AlertSpec, state: AlertState, known: Mapping[str, int]
    ) -> Matured | None:
        """Results of labelled windows that the rule has judged; None for a rule that has nothing to do with labels."""
        if rule.change or not self._waiting & known.keys():
            return None
        if state.memory is not None and (matured := Matured.from_bytes(state.memory)) is not None:
            return matured
        return Matured().joined(self._labelled(connection, known, state.judged), NEVER)

    def _labelled(self, connection: Connection, known: Mapping[str, int], judged: float) -> list[StoredResult]:
        """Results of labelled windows, up to the last that was judged, which may have matured after it."""
        since = judged - self.bundle.plan.labels.within
        return [
            result for m in sorted(self._waiting & known.keys())
            for result in self._results(connection, m, known[m], since=since, until=judged)
        ]  # fmt: skip

    def _judge_late(self, rule: AlertSpec, lease: Lease) -> None:
        """At the end of labelled windows that have matured after later ones were judged."""
        monitors = self._monitors(alerts.parse_rule(rule.when))
        if not self._waiting & set(monitors):
            return
        with self.store.read() as connection:
            now = self.store.now(connection)
            if now < self._looked.get(rule.name, NEVER) + LOOK_EVERY:
                return
            self._looked[rule.name] = now
            known = {m: row.id for m, row in self._running(connection, monitors).items()}
            state = results.get_alert_state(connection, self.bundle.plan.model, rule.name, "", "")
            matured = self._matured(connection, rule, state, known)
            if matured is None or state.memory is None:
                return
            late = [r for r in self._labelled(connection, known, state.judged) if r not in matured]
        if not late:
            return
        with self.store.write() as connection:
            leases.check(connection, lease)
            for result in sorted(late, key=lambda r: r.end):
                latest = {m: self._results(connection, m, i, until=result.end, limit=1) for m, i in known.items()}
                found = {m: rows[0] for m, rows in latest.items() if rows} | {result.monitor: result}
                matured = matured.joined([result], state.judged - self.bundle.plan.labels.within)
                alerts.judge(
                    connection, self.bundle, rule, found, alerts.silent_for(result.end, result.end), now, self.hooks,
                    end=result.end, any_order=True, memory=matured.to_bytes(),
                )  # fmt: skip

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
