"""The reduction of one series: on-time parts close ticks and move windows, late parts revise what was published."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec, WindowSpec
from vedette.engine.bundle import Bundle
from vedette.engine.events import failure_event, make_event, seed_of
from vedette.engine.reduce import alerts
from vedette.engine.reduce.comparing import Beside
from vedette.engine.reduce.evaluate import Evaluator, Judge, body_of
from vedette.engine.reduce.explain_jobs import queue_jobs, wanted_jobs
from vedette.engine.reduce.moving import MovingWindows, merged_panes, spans_of
from vedette.engine.reduce.recompute import recompute_tick
from vedette.engine.reduce.windows import Due, Span
from vedette.engine.running import Bundles
from vedette.engine.work.accumulate import Failure
from vedette.store import labels, leases, outbox, panes, results, series
from vedette.store.database import Store
from vedette.store.jobs import Job
from vedette.store.leases import Lease
from vedette.store.panes import Pane, PartsChanged
from vedette.store.results import StoredResult
from vedette.store.series import Series
from vedette_specs.codec import encode
from vedette_specs.components import Tick

TICKS = "tick"  # the window name of results that belong to one tick
SETTLED = 1.0  # seconds without a further correction after which a tick is recomputed
QUIET_ROWS = 1000  # a sequential detector starts anew after an alarm: while a change lasts, that is one alert
TICKS_AT_ONCE = 200  # that are rebuilt in a step of the reducer
REVISE_EVERY = 1.0  # seconds between revisions of a window by rows


@dataclass
class Closing:
    """What one transaction writes."""

    replaced: list[int] = field(default_factory=list)
    panes: list[Pane] = field(default_factory=list)
    results: list[StoredResult] = field(default_factory=list)
    memories: list[tuple[str, int, Any]] = field(default_factory=list)
    segments: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    late: list[tuple[str, int]] = field(default_factory=list)
    late_rows: int = 0
    jobs: list[Job] = field(default_factory=list)


class SeriesReducer:
    """One monitor's series. Holds the sliding windows in memory; all else is in the store."""

    def __init__(
        self, store: Store, bundle: Bundle, spec: MonitorSpec, series_id: int, labelled: bool,
        bundles: Bundles | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.bundle = bundle
        self.bundles = bundles or Bundles(bundle)
        self.spec = spec
        self.id = series_id
        self.labelled = labelled
        self.tick = spec.tick
        self.model = bundle.plan.model
        self._looked: tuple[int, int] | None = None  # ticks between which no window ends, unless rows come
        self._evaluators: dict[str, Evaluator] = {}
        self._windows = MovingWindows(series_id, self.tick, self.evaluator, self._alarms)

    @property
    def grace(self) -> float:
        return max((w.grace for w in self.spec.windows), default=0.0)

    def evaluator(self, segment: str) -> Evaluator:
        if segment not in self._evaluators:
            self._evaluators[segment] = Evaluator(self.bundle, self.spec, segment)
        return self._evaluators[segment]

    def passes(self, closed: int, watermark: float) -> bool:
        """Whether windows may end although no row has come."""
        stop = self._stop(watermark)
        return bool(self._windows_by_time()) and stop > closed and (closed, stop) != self._looked

    def _stop(self, watermark: float) -> int:
        """Ticks below it take no more rows that are on time."""
        return _floor((watermark - self.grace) / self.tick)

    def close_ticks(self, lease: Lease, watermark: float, hooks: bool, limit: int) -> bool:
        """Close a run of ticks in one transaction; True when there may be more."""
        stop = self._stop(watermark)
        with self.store.read() as connection:
            row = next(s for s in series.all_series(connection, self.model, self.spec.name) if s.id == self.id)
            parts = panes.open_parts(connection, self.id, stop, limit)
            if not parts and not self.passes(row.closed, watermark):
                return False
            more = len(parts) >= limit
            upto = max(row.closed, parts[-1].tick + 1 if more else stop)
            closing = self._plan(connection, row, parts, upto, watermark)
        if not parts and not closing.results:
            self._looked = row.closed, stop
            return False
        try:
            self._commit(lease, row, closing, upto, hooks, watermark)
        except BaseException:
            self._windows.forget()
            raise
        return more

    def _alarms(self, connection: Connection, monitor: str, segment: str, first: int, end: int) -> list[int]:
        """Ascending ticks, in [first, end), at which alarms of a monitor that detects changes had come."""
        spec = next(m for m in self.bundle.plan.monitors if m.name == monitor)
        running = next((s for s in series.active(connection, self.model) if s.monitor == monitor), None)
        if running is None:
            return []
        place = segment if spec.by else ""
        times = results.alarms(connection, running.id, TICKS, place, first * self.tick, end * self.tick)
        return [math.ceil(time / self.tick - 1e-9) for time in times]

    def _windows_by_time(self) -> list[WindowSpec]:
        return [w for w in self.spec.windows if w.rows is None]

    def _plan(self, connection: Connection, row: Series, parts: Sequence[Pane], upto: int, watermark: float) -> Closing:
        closing = Closing()
        on_time: dict[str, list[Span]] = {}
        for (tick, segment), group in groupby(parts, key=lambda p: (p.tick, p.segment)):
            members = list(group)
            if tick < row.kept_from:  # its pane is gone: a revision would show a window without its other rows
                closing.replaced += [p.id for p in members]
                closing.late_rows += sum(p.rows + p.labelled for p in members)
            elif tick < row.closed:
                self._close_late(connection, closing, members, segment, tick)
            else:
                span = self._close_tick(closing, members, segment)
                on_time.setdefault(segment, []).append(span)
        counted = series.segment_rows(connection, self.id)
        for segment in on_time.keys() | (counted.keys() if self._windows_by_time() else set()):
            spans = on_time.get(segment, [])
            total, last = counted.get(segment, (0, None))
            self._move_windows(connection, closing, segment, spans, row.closed, upto, total, watermark)
            if spans:
                self._per_tick(connection, closing, segment, spans, last)
                closing.segments[segment] = (total + sum(s.rows for s in spans), spans[-1].first)
        if closing.late:
            self._windows.forget()  # their ticks have changed
        return closing

    def _close_tick(self, closing: Closing, members: Sequence[Pane], segment: str) -> Span:
        span = self._merged(members, segment)
        closing.replaced += [p.id for p in members]
        closing.panes.append(self._pane(span, segment))
        return span

    def _close_late(
        self, connection: Connection, closing: Closing, members: list[Pane], segment: str, tick: int
    ) -> None:
        before = panes.closed_range(connection, self.id, segment, tick, tick + 1)
        self._close_tick(closing, [*before, *members], segment)
        closing.late.append((segment, tick))
        closing.late_rows += sum(p.rows for p in members)

    def _merged(self, members: Sequence[Pane], segment: str) -> Span:
        merged = merged_panes(members, self.evaluator(segment))
        assert merged is not None
        return merged

    def _pane(self, span: Span, segment: str) -> Pane:
        state = encode(dict(span.states)) if span.states else None
        return Pane(self.id, segment, span.first, span.rows, state, span.labelled, span.lag, closed=True)

    def _move_windows(
        self, connection: Connection, closing: Closing, segment: str, spans: list[Span],
        closed: int, upto: int, total: int, watermark: float,
    ) -> None:  # fmt: skip
        for window in self.spec.windows:
            for due in self._windows.due(connection, segment, window, spans, closed, upto, total):
                found = self._result(connection, segment, window, due, 0, watermark, closing)
                closing.results.append(found)

    def _result(
        self, connection: Connection, segment: str, window: WindowSpec, due: Due, revision: int, watermark: float,
        closing: Closing,
    ) -> StoredResult:  # fmt: skip
        labels = self.bundle.plan.labels if self.labelled else None
        judge = Judge(window, due.start, due.end, revision, labels, watermark)
        found = judge.result(self.evaluator(segment), due.span)
        if self.spec.compare is not None:
            beside = Beside(self.spec.compare, self.evaluator, judge)
            found = beside.add(found, segment, lambda name: self._spans(connection, name, due, closing))
        start, end = due.start, due.end
        return self._stored(segment, window.name, start, end, revision, found.n, found.status, body_of(found))

    def _spans(self, connection: Connection, segment: str, due: Due, closing: Closing) -> list[Span]:
        """A segment's closed ticks in a window, those of this transaction too."""
        first, stop = round(due.start / self.tick), round(due.end / self.tick)
        gone = set(closing.replaced)
        held = [p for p in panes.closed_range(connection, self.id, segment, first, stop) if p.id not in gone]
        return spans_of([*held, *(p for p in closing.panes if p.segment == segment and first <= p.tick < stop)])

    def _stored(
        self, segment: str, window: str, start: float, end: float, revision: int, n: int, status: str, body: Any
    ) -> StoredResult:
        return StoredResult(
            self.id, self.model, self.spec.name, window, segment, start, end, revision, n, status, body,
            judged=status != "immature",
        )  # fmt: skip

    def _per_tick(
        self, connection: Connection, closing: Closing, segment: str, spans: Sequence[Span], last: int | None
    ) -> None:
        if self.spec.kind == "change":
            self._fold(connection, closing, segment, spans, last)
        elif self.spec.kind in ("outlier", "adversarial"):
            self._flag(closing, segment, spans)

    def _fold(
        self, connection: Connection, closing: Closing, segment: str, spans: Sequence[Span], last: int | None
    ) -> None:
        if self.evaluator(segment).component(self.spec.components[0]) is None:  # no reference
            self._flag(closing, segment, spans)
            return
        stored = results.get_memory(connection, self.id, f"fold:{segment}")
        memory = None if stored is None else stored[1]
        for span in spans:
            start, end = span.first * self.tick, span.stop * self.tick
            gap = 0.0 if last is None else (span.first - last - 1) * self.tick
            seed = seed_of(self.spec.name, TICKS, segment, end)
            folded = self.evaluator(segment).fold(memory, span.states, Tick(start, end, gap, seed))
            last = span.first
            memory = folded.memory
            body = body_of(folded.result)
            body["details"]["scores"] = dict(folded.scores)
            n, status = folded.result.n, folded.result.status
            closing.results.append(self._stored(segment, TICKS, start, end, 0, n, status, body))
        closing.memories.append((f"fold:{segment}", spans[-1].first, memory))

    def _flag(self, closing: Closing, segment: str, spans: Sequence[Span]) -> None:
        for span in spans:
            start, end = span.first * self.tick, span.stop * self.tick
            found = self.evaluator(segment).result(span, TICKS, start, end, 0)
            closing.results.append(self._stored(segment, TICKS, start, end, 0, found.n, found.status, body_of(found)))
            closing.jobs += wanted_jobs(self.model, self.spec, self.evaluator(segment), span, end)

    def _commit(self, lease: Lease, row: Series, closing: Closing, upto: int, hooks: bool, watermark: float) -> None:
        with self.store.write() as connection:
            leases.check(connection, lease)
            if series.lock(connection, self.id).closed != row.closed:
                raise PartsChanged(f"series {self.id} was closed further by someone else")
            now = self.store.now(connection)
            panes.replace(connection, closing.replaced, closing.panes)
            for name, tick, memory in closing.memories:
                results.put_memory(connection, self.id, name, tick, memory)
            for segment, (total, last) in closing.segments.items():
                series.set_segment_rows(connection, self.id, segment, total, last)
            self._publish(connection, closing.results, now, hooks, watermark)
            for segment, tick in closing.late:
                self._revise_later(connection, segment, tick)
                self._begin_late(connection, segment, tick, upto)
            queue_jobs(connection, self.model, self.spec, closing.jobs, now)
            series.close_to(connection, self.id, upto, closing.late_rows)

    def _revise_later(self, connection: Connection, segment: str, tick: int) -> None:
        span = tick * self.tick, (tick + 1) * self.tick
        whole = [w.name for w in self.spec.windows if w.lifetime]
        stale = segment if self.spec.compare is None else None  # the others are compared with this one
        results.mark_dirty(connection, self.id, stale, *span, folded=TICKS, lifetimes=whole)

    def _begin_late(self, connection: Connection, segment: str, tick: int, closed: int) -> None:
        """Windows that held no row when they ended have no result to revise: it begins with their late rows."""
        for window in self._windows_by_time():
            for first, end in self._windows.ended(connection, segment, window, tick, closed):
                start = first * self.tick, end * self.tick
                blank = self._stored(segment, window.name, *start, results.BLANK, 0, "insufficient", {})
                results.begin(connection, replace(blank, dirty=True, judged=False))

    def _publish(
        self, connection: Connection, found: Sequence[StoredResult], now: float, hooks: bool, watermark: float,
        judged: Container[int] = (),
    ) -> None:  # fmt: skip
        """Store results, queue their events, and let the monitor's rule judge those that are ready.

        judged: ids of the results that it has judged in an earlier revision.
        """
        for result in found:
            fresh = replace(result, created=result.created or now, revised=now)
            results.put(connection, fresh)
            payload = {**fresh.to_json(), "component_kind": self.spec.kind}
            event = make_event(
                "result", self.model, self.spec.name, result.segment, result.end, payload,
                result.window, result.end, result.revision,
            )  # fmt: skip
            outbox.put(connection, self.bundle.plan, event, now, hooks)
            if self.spec.alert is not None and result.status != "immature" and result.id not in judged:
                quiet = QUIET_ROWS if self.spec.kind == "change" else 0
                found_here, silence = {self.spec.name: fresh}, alerts.silent_for(watermark, result.end)
                alerts.judge(
                    connection, self.bundle, self.spec.alert, found_here, silence, now, hooks, quiet_rows=quiet,
                    any_order=self.labelled,
                )  # fmt: skip

    def revise(self, lease: Lease, watermark: float, hooks: bool, force: bool) -> int:
        """Publish new revisions of windows whose ticks have changed; returns how many."""
        with self.store.read() as connection:
            stale = {r.id: r for r in results.dirty(connection, self.id)}
            if self.labelled:
                within = self.bundle.plan.labels.within
                ripe = [r for r in results.unjudged(connection, self.id) if watermark >= r.end + within]
                stale.update({r.id: r for r in ripe})
            now = self.store.now(connection)
            due = [r for r in stale.values() if force or now - r.revised >= self._patience(r.window)]
            revised = [self._revised(connection, old, watermark) for old in sorted(due, key=lambda r: r.end)]
        if not revised:
            return 0
        with self.store.write() as connection:
            leases.check(connection, lease)
            judged = {r.id for r in due if r.judged}
            self._publish(connection, revised, self.store.now(connection), hooks, watermark, judged)
        return len(revised)

    def _patience(self, window: str) -> float:
        spec = next((w for w in self.spec.windows if w.name == window), None)
        if spec is None or spec.rows is not None:
            return REVISE_EVERY
        return min(spec.every or spec.span or REVISE_EVERY, 60.0)

    def _revised(self, connection: Connection, old: StoredResult, watermark: float) -> StoredResult:
        first, stop = round(old.start / self.tick), round(old.end / self.tick)
        if any(w.lifetime and w.name == old.window for w in self.spec.windows):
            first = series.BEFORE_ALL
        held = panes.closed_range(connection, self.id, old.segment, first, stop)
        window = next((w for w in self.spec.windows if w.name == old.window), WindowSpec(old.window))
        merged = self._windows.merged(window, old.segment, held, stop)
        span = merged if merged is not None else Span(first, stop, 0, {})
        start = span.first * self.tick if first == series.BEFORE_ALL else old.start
        due = Due(start, old.end, span)
        fresh = self._result(connection, old.segment, window, due, old.revision + 1, watermark, Closing())
        return replace(fresh, id=old.id, created=old.created, judged=old.judged or fresh.judged)

    def recompute(self, lease: Lease, settled: float = SETTLED) -> None:
        """Rebuild ticks whose labels were corrected, and not again for `settled` seconds, from stored predictions."""
        if not self.labelled:
            return
        with self.store.read() as connection:
            ticks = labels.asked_recomputes(connection, self.id, self.store.now(connection) - settled, TICKS_AT_ONCE)
        for tick in ticks:
            with self.store.write() as connection:
                leases.check(connection, lease)
                row = series.lock(connection, self.id)
                if tick >= row.closed:
                    continue
                if tick < row.kept_from:  # its pane is gone or merged with others
                    labels.done_recompute(connection, self.id, tick)
                    continue
                fresh = recompute_tick(connection, self.bundles, self.bundle, self.spec, row, tick)
                labels.done_recompute(connection, self.id, tick)
                for segment in fresh:
                    self._revise_later(connection, segment, tick)
            self._windows.forget()
            self._looked = None

    def quarantine(self, reason: str, lease: Lease | None = None) -> None:
        """Stop the series. Raises LeaseLost where another process holds `lease` by now: it judges for itself."""
        with self.store.write() as connection:
            if lease is not None:
                leases.check(connection, lease)
            if series.quarantine(connection, self.id, reason):
                now = self.store.now(connection)
                event = failure_event(self.model, Failure(self.id, self.spec.name, reason, 0), now)
                outbox.put(connection, self.bundle.plan, event, now, self.bundle.listened)


def _floor(value: float) -> int:
    return int(min(max(math.floor(value), series.BEFORE_ALL), -series.BEFORE_ALL))
