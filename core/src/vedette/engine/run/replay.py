"""Running logged rows through the same worker and reducer as in serving, in event time."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.engine import lifecycle
from vedette.engine.bundle import Bundle
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.naming import ID, key_column, meant, places_of_keys, target
from vedette.engine.reduce.dispatch import Dispatcher
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.run.feed import ROWS, Feed, identified
from vedette.engine.run.runtime import ends_after
from vedette.engine.service import Service
from vedette.engine.work.core import WorkerCore
from vedette.plugins import Registry
from vedette.store import labels
from vedette.store.database import Store
from vedette_specs.batch import Batch
from vedette_specs.explainers import Predict

UNKNOWN = math.inf  # when a label came that says no time: not now, as the predictions are long past
Progress = Callable[[int], None]
Item = Mapping[str, Any]


@dataclass
class Replay:
    """A store of its own (a temporary SQLite file by default), workers and reducers of all pools, one thread.

    sinks: whether events are delivered at the end; what is past wakes nobody up unless asked to.
    """

    bundle: Bundle
    registry: Registry
    store: Store
    predict: Predict | None = None
    sinks: bool = False

    def __post_init__(self) -> None:
        if not self.sinks:
            self.bundle = self.bundle.silent()
        lifecycle.deploy(self.store, self.bundle)
        self.service = Service(self.store, self.bundle, self.predict)
        self.feed = Feed(self._ship)
        pools = self.bundle.plan.worker_pools
        self._cores = [
            WorkerCore(self.store, self.bundle, pool, None, self.feed.clock, keeps_predictions=pool == pools[0])
            for pool in pools
        ]
        self._reducers = [Reducer(self.store, self.bundle, pool, self.registry, self.feed.clock) for pool in pools]
        self._latest = -math.inf
        self._join = self.bundle.plan.labels.join
        self._meant: dict[int, str] = {}  # id() of an item -> the request whose turn it waits for

    def _ship(self, message: bytes) -> None:
        for core in self._cores:
            core.apply(message)

    def run(
        self, rows: Batch, items: Sequence[Item] = (), as_served: bool = False, progress: Progress = lambda rows: None
    ) -> Service:
        """Replay rows (in event-time order, with times) and labels; returns the service to ask.

        Labels come with their predictions, those of a row in the order of their `time`; with `as_served` when they
        came (`time`), so that windows are published immature first, are revised, and alerts are judged when they were.
        """
        rows = identified(rows, self.feed.new_id)
        waiting = list(items) + _own_labels(rows, self._join)
        if self._join != ID and not as_served:
            self._meant = _requests(rows, waiting, self._join)
        waiting.sort(key=lambda item: float(item.get("time", 0.0)))  # of two labels of a row the later one counts
        for start in range(0, len(rows), ROWS):
            part = rows.take(slice(start, start + ROWS))
            self._feed(part, rows, start)
            waiting = self._labels(part, waiting, as_served)
            self._reduce(None)
            progress(len(part))
        self.service.feedback(waiting, UNKNOWN)
        self._finish()
        if self.sinks:
            self._deliver()
        return self.service

    def _deliver(self) -> None:
        dispatcher = Dispatcher(self.store, self.bundle.plan, self.registry)
        try:
            dispatcher.step(math.inf)
        finally:
            dispatcher.close()

    def _feed(self, part: Batch, rows: Batch, start: int) -> None:
        assert part.times is not None
        assert rows.times is not None
        later = rows.times[start + ROWS :]
        self._latest = max(self._latest, float(part.times.max()))
        self.feed.put(part.replace(labels=None), float(later.min()) if len(later) else self._latest)
        for core in self._cores:
            core.checkpoint()

    def _labels(self, part: Batch, waiting: list[Item], as_served: bool) -> list[Item]:
        """Store the labels whose turn has come; returns the others."""
        if as_served:
            come = [item for item in waiting if float(item.get("time", 0.0)) <= self._latest]
            rest = waiting[len(come) :]
        else:
            assert part.ids is not None
            here = set(part.ids.tolist())
            come = [item for item in waiting if self._request(item) in here]
            rest = [item for item in waiting if self._request(item) not in here]
        self.service.feedback(come, UNKNOWN)
        return rest

    def _request(self, item: Item) -> str | None:
        """Of the prediction that a label means; None where there is none."""
        return item["id"] if self._join == ID else self._meant.get(id(item))

    def _reduce(self, until: float | None) -> None:
        for reducer in self._reducers:
            reducer.step(until)

    def _finish(self) -> None:
        if not math.isfinite(self._latest):
            return
        with self.store.write() as connection:
            labels.wake(connection, self.bundle.plan.model)
        until = ends_after(self.bundle.plan, self._latest)
        for _ in range(2):
            for reducer in self._reducers:
                reducer.step(until, revise=True)
        runner = JobRunner(self.store, self.service.explaining, lambda spec: True)
        while self.predict is not None and runner.step():
            pass


def replay(
    bundle: Bundle,
    registry: Registry,
    rows: Batch,
    items: Sequence[Item] = (),
    *,
    store: str | None = None,
    as_served: bool = False,
    sinks: bool = False,
    progress: Progress = lambda rows: None,
) -> Service:
    """Replay into `store`, by default a temporary one that lives as long as the answer.

    sinks: events are delivered; by default neither sinks nor plugins hear of what is past.
    """
    if store is not None:
        return Replay(bundle, registry, Store(store), sinks=sinks).run(rows, items, as_served, progress)
    folder = tempfile.mkdtemp(prefix="vedette-replay-")
    fresh = Store(f"sqlite:///{Path(folder) / 'replay.db'}")
    service = Replay(bundle, registry, fresh, sinks=sinks).run(rows, items, as_served, progress)
    weakref.finalize(service, _remove, fresh, folder)
    return service


def _remove(store: Store, folder: str) -> None:
    store.close()
    shutil.rmtree(folder, ignore_errors=True)


def _own_labels(rows: Batch, join: str) -> list[Item]:
    """The rows' own label column as feedback."""
    if rows.labels is None or rows.ids is None or rows.rows is None or rows.times is None:
        return []
    values = rows.labels.to_list()
    known = [i for i, value in enumerate(values) if value is not None]
    if join == ID:  # in the file it is there with its prediction; nobody knows when it came
        return [{"id": str(rows.ids[i]), "row": int(rows.rows[i]), "label": values[i]} for i in known]
    keys = key_column(rows, join)
    return [{"id": keys[i], "label": values[i], "time": float(rows.times[i])} for i in known if keys[i] is not None]


def _requests(rows: Batch, items: Sequence[Item], join: str) -> dict[int, str]:
    """id() of a label -> the request that it means: that of the latest prediction of its key before the label."""
    blocks = {0: rows}
    places = places_of_keys(blocks, join, (str(item["id"]) for item in items))
    found = {}
    for item in items:
        place = meant(places.get(str(item["id"]), ()), float(item.get("time", math.inf)))
        if place is not None:
            found[id(item)] = target(blocks, place)[0]
    return found
