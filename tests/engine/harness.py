"""One worker and one reducer on a store with the test's clock, for tests that need no threads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from tests.engine.faulty_store import FaultyStore
from tests.engine.traffic import Batch, Plan, SinkSpec, bundle_of, get_registry, message, rows

from vedette.config.plan import ComponentSpec
from vedette.engine import lifecycle
from vedette.engine.reduce.dispatch import Dispatcher
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.store import labels, outbox, results, series
from vedette.store.results import StoredResult
from vedette.store.series import Series
from vedette.store.tables import outbox as outbox_table
from vedette_specs.components import BatchSink, Sink
from vedette_specs.results import Event

Key = tuple[str, int]


class Harness:
    def __init__(self, plan: Plan, url: str = "sqlite://") -> None:
        self.bundle = bundle_of(plan)
        self.store = FaultyStore(url)
        self.start = self.store.time
        lifecycle.deploy(self.store, self.bundle)
        self.worker = self.new_worker()
        self.reducer = Reducer(self.store, self.bundle, "default", get_registry())
        self.rng = np.random.default_rng(0)
        self.seq = 0

    @staticmethod
    def sink(name: str) -> SinkSpec:
        return SinkSpec(name, ComponentSpec("sink", "log", {}, "log"))

    def new_worker(self) -> WorkerCore:
        return WorkerCore(self.store, self.bundle, "default")

    def time(self, seconds: float) -> None:
        self.store.time += seconds

    def send(
        self, n: int, *, at: float | None = None, worker: WorkerCore | None = None, shift: float = 0.0
    ) -> list[Key]:
        """n rows at an event time (now by default); returns their keys."""
        time = self.store.time if at is None else at
        ids = [(f"r{self.seq + 1}", i) for i in range(n)]
        self.send_batch(rows(self.rng, np.full(n, time), ids, shift), worker)
        return ids

    def send_at(self, times: Iterable[float]) -> None:
        for time in times:
            self.send(1, at=time)

    def send_batch(self, batch: Batch, worker: WorkerCore | None = None) -> None:
        self.seq += 1
        (worker or self.worker).apply(message("p", self.seq, batch, self.store.time))

    def label(self, values: Mapping[Key, str], at: float | None = None) -> None:
        time = self.store.time if at is None else at
        found = [{"request": k[0], "row": k[1], "value": v, "annotator": "", "time": time} for k, v in values.items()]
        with self.store.write() as connection:
            labels.add(connection, "m", found, self.store.time)

    def reduce(self, until: float | None = None) -> None:
        self.worker.checkpoint()
        assert self.reducer.step(until, revise=True)

    def settle(self, after: float = 1000.0) -> None:
        """Everything is checkpointed and closed."""
        self.reduce(self.store.time + after)
        self.reduce(self.store.time + after)

    def results(self, monitor: str, window: str | None = None, segment: str | None = None) -> list[StoredResult]:
        with self.store.read() as connection:
            return results.query(connection, "m", monitor, window, segment, limit=100_000)

    def series(self, monitor: str) -> Series:
        with self.store.read() as connection:
            return [s for s in series.all_series(connection, "m") if s.monitor == monitor][-1]

    def alerts(self) -> list[Mapping[str, Any]]:
        with self.store.read() as connection:
            return list(results.alert_history(connection, "m"))

    def live(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return [(body["rule"], state.state) for body, state in results.live_alerts(connection, "m")]

    def waiting_events(self) -> list[Any]:
        with self.store.read() as connection:
            waiting = outbox_table.c.delivered.is_(None)
            return list(connection.execute(select(outbox_table).where(waiting).order_by(outbox_table.c.id)))

    def deliver(self, emit: Callable[[str, Event], object], fails: Collection[str] = ()) -> int:
        """One step of the dispatcher to sinks that call `emit`; those in `fails` raise."""

        class Recording(Sink):
            def __init__(self, name: str) -> None:
                self.name = name

            def emit(self, event: Event) -> None:
                if self.name in fails:
                    raise ConnectionError(f"{self.name} does not answer")
                emit(self.name, event)

        return self._step(Recording)

    def deliver_many(self, emit: Callable[[Sequence[Event]], object]) -> int:
        """`deliver` to sinks that take many at once."""

        class Many(BatchSink):
            def __init__(self, name: str) -> None:
                self.name = name

            def emit_many(self, events: Sequence[Event]) -> None:
                emit(events)

        return self._step(Many)

    def _step(self, make: Callable[[str], Sink]) -> int:
        plan = self.bundle.plan
        return Dispatcher(self.store, plan, get_registry(), {s.name: make(s.name) for s in plan.sinks}).step()


__all__ = ["Harness", "Key", "outbox"]
