"""What the rows of a failure schedule say, and whether its store says the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import select
from tests.engine.faulty_store import FaultyStore
from tests.engine.traffic import (
    Batch,
    Bundle,
    LabelsSpec,
    MonitorSpec,
    WindowSpec,
    bundle_of,
    by_rows,
    concat,
    detector,
    get_registry,
    labelled,
    lifetime,
    message,
    metric,
    monitor,
    plan_of,
    same,
    sliding,
    tumbling,
)

from vedette.engine import lifecycle
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.engine.work.views import Views, segment_keys
from vedette.store import labels, panes, results, series, waiting
from vedette.store.results import StoredResult
from vedette.store.tables import batch_log, recomputes
from vedette.store.tables import results as results_table
from vedette_specs.components import ResultContext

END = 100_000.0  # seconds after the start by which every window has ended
Key = tuple[str, int]


@cache
def bundle() -> Bundle:
    return bundle_of(
        plan_of(
            monitor("stats", metric("moments"), metric("missing_rate"), metric("frequencies"),
                    windows=[tumbling(10), sliding(20, 5), by_rows(8, 4), lifetime(every=10.0)]),
            monitor("regions", metric("moments"), metric("quantile", q=0.5), windows=[tumbling(10)], by=("region",)),
            monitor("performance", metric("accuracy"), windows=[tumbling(10), by_rows(6)]),
            detector("drift", "drift", "ks", tumbling(10), options={"min_rows": 2}),
            detector("shift", "change", "conformal", options={"bins": 8, "false_alarms": "1 per 50 rows"}),
            detector("outliers", "outlier", "mahalanobis", fdr=0.3),
            detector("attack", "change", "conformal", of="outliers.score", options={"bins": 8}),
            labels=LabelsSpec(within=50_000.0),
        )
    )  # fmt: skip


@dataclass
class Producer:
    """A tap of the test: numbers its batches, and has one in flight."""

    name: str
    front: float
    seq: int = 0
    minted: int = 0
    flying: tuple[int, Batch, float] | None = None
    accepted: int = 0


@dataclass
class World:
    """What the rows say: what was accepted, as it was accepted, and the labels in force."""

    batches: list[Batch] = field(default_factory=list)
    given: list[tuple[Key, str]] = field(default_factory=list)
    duplicates: int = 0

    def batch(self) -> Batch | None:
        return concat(self.batches) if self.batches else None

    @property
    def values(self) -> dict[Key, str]:
        return dict(self.given)


@dataclass
class Recovery:
    """Everything is brought to rest, then compared with the rows."""

    machine: Any  # the schedule, which this is made by

    def check(self) -> None:
        machine = self.machine
        machine.store.heal()
        self._settle_workers()
        self._settle_reducer()
        parked = self._drop_poisoned()
        self._check_store()
        if not parked and (batch := machine.world.batch()) is not None:
            Truth(batch, machine.world.values).check(machine.store, machine.start + END)
            self._check_performance(batch)
            assert self._late_rows() <= machine.late, "rows became late that came in time"
            if not self._late_rows():
                self._check_against_one_process()

    def _settle_workers(self) -> None:
        machine = self.machine
        for producer in machine.producers:
            if producer.flying is not None:
                machine.deliver(producer, machine.workers[0])
        for _ in range(8):
            machine.store.time += 20.0
            last = machine._worker(silent=1.0)
            last.adopt()
            last.checkpoint()

    def _settle_reducer(self) -> None:
        store = self.machine.store
        for _ in range(6):
            store.time += 100.0
            with store.write() as connection:
                labels.wake(connection, "m")
            assert self.machine._reducer().step(until=self.machine.start + END, revise=True)

    def _drop_poisoned(self) -> bool:
        """Batches whose workers were killed three times are parked; the schedule must have killed that many."""
        with self.machine.store.read() as connection:
            left = connection.execute(select(batch_log)).all()
        assert all(row.poisoned and row.attempts >= 3 for row in left), "a batch was left in the log"
        assert self.machine.kills >= (2 if left else 0)
        return bool(left)

    def _check_store(self) -> None:
        machine = self.machine
        assert machine._duplicates() == machine.world.duplicates
        with machine.store.read() as connection:
            assert connection.execute(select(recomputes)).all() == []
            assert connection.execute(select(results_table.c.id).where(results_table.c.dirty)).all() == []
            assert labels.pending(connection, "m", machine.store.time, 1000) == [] or machine.world.given
            for item in series.all_series(connection, "m"):
                assert item.status == "active", item.reason
            assert not any(one.parts for one in waiting.of_pool(connection, "m", "m/default", 0.0))

    def _late_rows(self) -> int:
        with self.machine.store.read() as connection:
            return max(item.late_rows for item in series.all_series(connection, "m"))

    def _check_performance(self, batch: Batch) -> None:
        """The pane totals: no row lost, no label lost, none counted twice."""
        known = len(labelled(batch, self.machine.world.values))
        with self.machine.store.read() as connection:
            for item in series.all_series(connection, "m"):
                expected = (len(batch), known if item.monitor == "performance" else 0)
                assert panes.totals(connection, item.id) == expected, item.monitor

    def _check_against_one_process(self) -> None:
        """Without late rows even folds and windows by rows are those of one process."""
        machine = self.machine
        alone = FaultyStore("sqlite://", start=machine.store.time)
        lifecycle.deploy(alone, bundle())
        worker = WorkerCore(alone, bundle(), "default")
        for i, batch in enumerate(machine.world.batches):
            worker.apply(message("one", i + 1, batch, machine.start))
        worker.checkpoint()
        with alone.write() as connection:
            given = [
                {"request": key[0], "row": key[1], "value": value, "annotator": "", "time": machine.start}
                for key, value in machine.world.values.items()
            ]
            labels.add(connection, "m", given, alone.time)
        reducer = Reducer(alone, bundle(), "default", get_registry())
        for _ in range(2):
            assert reducer.step(until=machine.start + END, revise=True)
        mine, theirs = _published(machine.store), _published(alone)
        assert mine.keys() == theirs.keys()
        for key, found in theirs.items():
            _compare(mine[key], found.body["values"], found.n, str(key))
        alone.close()


def _published(store: FaultyStore) -> dict[tuple[Any, ...], StoredResult]:
    """All results but those of lifetime windows, which end wherever a reduction ended."""
    with store.read() as connection:
        found = results.query(connection, "m", limit=100_000)
    return {(r.monitor, r.window, r.segment, r.start, r.end): r for r in found if r.window != "lifetime"}


def _compare(found: StoredResult, values: Any, n: int, what: str) -> None:
    assert found.n == n, f"{what}: n is {found.n}, of {n} rows"
    assert same(found.body["values"], values), f"{what}: {found.body['values']} instead of {values}"


@dataclass
class Truth:
    """What the windows must hold, computed from all rows at once by the components alone."""

    batch: Batch
    values: dict[Key, str]

    def check(self, store: FaultyStore, until: float) -> None:
        with store.read() as connection:
            found = results.query(connection, "m", limit=100_000)
        by_window: dict[tuple[str, str, str], dict[float, StoredResult]] = defaultdict(dict)
        for item in found:
            by_window[item.monitor, item.window, item.segment][item.end] = item
        for spec in bundle().plan.monitors:
            if spec.kind in ("metric", "drift"):
                self._check_monitor(spec, by_window, until)

    def _check_monitor(self, spec: MonitorSpec, found: Any, until: float) -> None:
        keys = segment_keys(self.batch, spec.by)
        for segment in sorted(set(keys.tolist())):
            part = self.batch.take(keys == segment)
            for window in spec.windows:
                published = found[spec.name, window.name, segment]
                if window.span is not None:
                    assert set(published) == self._ends(part, window, until), f"{spec.name} {window.name} {segment}"
                if window.lifetime:
                    published = {end: r for end, r in published.items() if end == max(published)}
                    counted = labelled(part, self.values) if spec.name == "performance" else part
                    assert [r.n for r in published.values()] == [len(counted)]
                for item in published.values():
                    self._check_result(spec, part, item, segment)

    def _ends(self, part: Batch, window: WindowSpec, until: float) -> set[float]:
        """Ends of the windows that hold at least a row."""
        assert window.span is not None
        ends: set[float] = set()
        times = np.asarray(part.times)
        for time in times:
            first = (np.floor(time / window.every) + 1) * window.every
            ends |= {float(e) for e in np.arange(first, time + window.span + 1e-6, window.every) if e <= until}
        return {e for e in ends if np.any((times >= e - window.span) & (times < e))}

    def _check_result(self, spec: MonitorSpec, part: Batch, item: StoredResult, segment: str) -> None:
        times = np.asarray(part.times)
        held = part.take((times >= item.start) & (times < item.end))
        with_labels = labelled(held, self.values)
        seen = with_labels if spec.name == "performance" else Views(held, {}).view(spec)
        values: dict[str, Any] = {}
        for component in spec.components:
            live = bundle().metric(spec.name, component.alias, segment)
            if live is None:
                continue
            state = live.add(live.create(), seen) if len(seen) else live.create()
            values |= dict(live.result(state, ResultContext(item.window, segment, 0, item.start, item.end)).values)
        n = len(seen) if spec.name == "performance" or len(seen) else len(held)
        _compare(item, _json(values), n, f"{spec.name} {item.window} {segment} [{item.start}, {item.end})")


def _json(values: dict[str, Any]) -> Any:
    from vedette_specs.results import json_number

    return json_number(values)
