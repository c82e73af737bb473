"""The in-process engine for notebooks, batch jobs and tests: the same tap, worker, reducer and store as everywhere."""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vedette.config.plan import Plan
from vedette.engine.bundle import build_bundle
from vedette.engine.bundle_faults import placed
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.frames import Results
from vedette.engine.message import TapPlan
from vedette.engine.naming import ID, key_column
from vedette.engine.run.feed import Feed, identified
from vedette.engine.run.runtime import Runtime
from vedette.engine.run.times import seconds_of
from vedette.engine.service import Service
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import InProcessTransport
from vedette.engine.work.worker import WorkerSettings
from vedette.plugins import Registry, get_registry
from vedette.store.database import Store
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, category
from vedette_specs.convert import Tabular, as_batch, label_column
from vedette_specs.explainers import Predict

if TYPE_CHECKING:
    from vedette.config.loading import Loaded

SLACK = 1e-6  # beyond [0, 1], as in what a tap reads: a softmax of float32 overshoots


class Session:
    """Monitors in this process.

    config: a monitors.yaml, several to be merged, or a Plan.  reference: rows that replace the plan's.
    store: URL; the plan's by default.  predict: the model, for explanations: Batch -> (n, outputs).
    event_time: the clock is the latest `time` that was logged, for backfills; rows must come in about that order.
    sinks: whether events are delivered to sinks and to plugins; by default not with event_time, so that a backfill
    wakes nobody up.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Plan,
        *,
        reference: Batch | Tabular | None = None,
        store: str | None = None,
        predict: Predict | None = None,
        event_time: bool = False,
        sinks: bool | None = None,
        registry: Registry | None = None,
        settings: WorkerSettings | None = None,
    ) -> None:
        self.registry = registry or get_registry()
        self.plan, rows, loaded = _load(config, self.registry, reference)
        self.store = Store(store or self.plan.store)
        with placed(loaded):
            bundle = build_bundle(self.plan, self.registry, rows)
        self.bundle = bundle if (not event_time if sinks is None else sinks) else bundle.silent()
        self.feed = Feed(self._ship) if event_time else None
        clock = self.feed.clock if self.feed is not None else None
        self.runtime = Runtime(self.store, self.bundle, self.registry, settings, clock).start()
        self.service = Service(self.store, self.bundle, predict, self.plan.model_version or "")
        self.changes = self.runtime.changes
        self._latest = -np.inf
        self._jobs = JobRunner(self.store, self.service.explaining, lambda spec: True)
        plan = TapPlan.of(self.plan, self.bundle.digest)
        self.tap = Tap(InProcessTransport(self.runtime.workers, plan), self.plan.tap, plan)
        self._finished = False

    def _ship(self, message: bytes) -> None:
        for worker in self.runtime.workers.values():
            worker.apply(message)

    def log(
        self,
        X: Batch | Tabular,
        *,
        prediction: Any = None,
        probabilities: Any = None,
        ids: Sequence[str] | None = None,
        time: Any = None,
        attributes: Mapping[str, Any] | None = None,
        labels: Any = None,
    ) -> list[str]:
        """Log rows and return their ids. Never waits for monitors (but with event_time, when it does).

        prediction: (n,) classes or numbers.  probabilities: (n, classes), or (n,) of the positive class.
        time: one or (n,) seconds since the epoch, datetimes, or ISO 8601 (UTC without a zone); now by default.
        attributes: name -> value or (n,) values.
        labels: (n,) labels that are known already.
        """
        batch = self._batch(X, prediction, probabilities, ids, time, attributes or {})
        items = [] if labels is None else self._own_labels(batch, labels)
        assert batch.ids is not None
        assert batch.times is not None
        if len(batch):
            self._latest = max(self._latest, float(batch.times.max()))
            if self.feed is not None:
                self.feed.put(batch, max(self.feed.latest, float(batch.times.max())))
            else:
                self.tap.offer_batch(batch)
        found = [str(item) for item in batch.ids]
        self.service.feedback(items, self._arrived())
        return found

    def _own_labels(self, batch: Batch, labels: Any) -> list[dict[str, Any]]:
        """Labels of rows that are being logged, as feedback."""
        join = self.plan.labels.join
        given = [_plain(value) for value in _column(labels, len(batch), "labels")]
        keys = batch.ids if join == ID else key_column(batch, join)
        assert keys is not None
        assert batch.times is not None
        pairs = zip(keys, given, batch.times.tolist(), strict=True)
        if any(key is None for key in keys):
            raise ValueError(f"labels: labels.join is {join!r}, and some rows have none")
        # known already when the row was predicted; of a key, the label means this prediction, none on its way
        return [{"id": str(k), "label": value, "time": at} for k, value, at in pairs]

    def _batch(
        self, X: Any, prediction: Any, probabilities: Any, ids: Any, time: Any, attributes: Mapping[str, Any]
    ) -> Batch:
        batch = as_batch(X, self.plan.schema).replace(labels=None)
        n = len(batch)
        changes: dict[str, Any] = {"schema": self.plan.schema}
        if prediction is not None:
            changes["prediction"] = label_column(_column(prediction, n, "prediction"), self.plan.schema)
        if probabilities is not None:
            changes["probabilities"] = self._probabilities(probabilities)
        if ids is not None:
            texts = np.empty(n, dtype=object)
            texts[:] = [str(item) for item in _column(ids, n, "ids")]
            changes["ids"] = texts
        changes["times"] = seconds_of(clocks.time() if time is None else time, n)
        changes["attributes"] = {k: _attribute(k, v, n) for k, v in attributes.items()} | dict(batch.attributes)
        new_id = self.tap.new_id if self.feed is None else self.feed.new_id
        return identified(batch.replace(**changes), new_id)

    def _probabilities(self, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 1:
            pair = [1.0 - array, array] if self.plan.schema.positive_index == 1 else [array, 1.0 - array]
            array = np.column_stack(pair)
        wrong = np.argwhere((array < -SLACK) | (array > 1.0 + SLACK))
        if len(wrong):
            row, column = wrong[0]
            raise ValueError(f"probabilities: row {row} holds {array[row, column]:g}; allowed: numbers from 0 to 1")
        classes = len(self.plan.schema.classes)
        if classes and array.shape[1] != classes:
            raise ValueError(f"probabilities: {array.shape[1]} columns for {classes} classes")
        return array

    def feedback(self, ids: Sequence[str], labels: Any, *, row: int = 0, annotator: str = "", time: Any = None) -> int:
        """Labels of logged rows, in any order and at any time; returns how many were stored.

        ids: as `log` gave them; where `labels.join` is a column, the rows' values of it.
        """
        extra = {} if time is None else {"time": float(seconds_of(time, 1)[0])}
        pairs = zip(ids, _column(labels, len(ids), "labels"), strict=True)
        items = [{"id": i, "row": row, "label": _plain(v), "annotator": annotator, **extra} for i, v in pairs]
        return self.service.feedback(items, self._arrived())

    def _arrived(self) -> float | None:
        """The time of labels that come now and say none: with event_time that of the last row; None is the store's."""
        if self.feed is None:
            return None
        return self.feed.latest if np.isfinite(self.feed.latest) else np.inf

    def flush(self, timeout: float = 30.0) -> None:
        """The tap is drained, labels are joined, closed ticks are evaluated, explain jobs are answered."""
        self.tap.flush(timeout)
        self.runtime.flush()
        self._answer_jobs()

    def finish(self) -> None:
        """Close all open ticks too, as a replay does at its end: call it after the last row."""
        self.tap.flush(30.0)
        if np.isfinite(self._latest):
            self.runtime.finish(self._latest)
        else:
            self.runtime.flush()
        self._answer_jobs()
        self._finished = True

    def _answer_jobs(self) -> None:
        while self._jobs.step():
            pass

    def results(
        self, monitor: str | None = None, *, window: str | None = None, segment: str | None = None,
        since: Any = None, until: Any = None, limit: int = 1000,
    ) -> Results:  # fmt: skip
        """The latest `limit` results, oldest first. since, until: times, as in `log`, of their windows' ends.

        BadRequest, with what there is, for a monitor, window or segment that there is not.
        """
        return self.service.results(monitor, window, segment, since, until, limit)

    def alerts(self, live: bool = False) -> list[dict[str, Any]]:
        return self.service.alerts(live)

    def explain(self, rows: Batch | Tabular, explainer: str | None = None, **limits: float) -> list[dict[str, Any]]:
        """Explanations of rows by a declared explainer; limits: max_rows, max_calls, deadline."""
        return self.service.explain(rows=rows, explainer=explainer, limits=limits)

    def close(self) -> None:
        """finish, and release everything."""
        if not self._finished:
            self.finish()
        self.tap.close()
        self.runtime.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _load(config: Any, registry: Registry, reference: Any) -> tuple[Plan, Batch | None, Loaded | None]:
    loaded = None
    if isinstance(config, Plan):
        plan, rows = config, None
        if reference is None and plan.reference is not None:
            from vedette.config import load_reference

            rows = load_reference(plan, registry=registry)
    else:
        from vedette.config.loading import load_all

        paths = _paths(config)
        loaded = load_all(paths, registry=registry)
        plan, rows = loaded.plan, loaded.reference
    return plan, rows if reference is None else as_batch(reference, plan.schema), loaded


def _paths(config: Any) -> list[Path]:
    """TypeError for what names no file."""
    allowed = "the path of a monitors.yaml, several of them, or a Plan (vedette.config.load_text makes one of a text)"
    if isinstance(config, str | os.PathLike):
        return [Path(config)]
    several = list(config) if isinstance(config, Iterable) and not isinstance(config, Mapping) else []
    if not several or not all(isinstance(item, str | os.PathLike) for item in several):
        raise TypeError(
            f"config: {repr(config)[:60]} is a {type(config).__name__}, no configuration; allowed: {allowed}"
        )
    return [Path(item) for item in several]


def _column(values: Any, n: int, name: str) -> list[Any]:
    found = list(values)
    if len(found) != n:
        raise ValueError(f"{name}: {len(found)} values for {n} rows")
    return found


def _attribute(name: str, value: Any, n: int) -> Column:
    many = isinstance(value, list | tuple | np.ndarray) or hasattr(value, "to_numpy")
    return category(_column(value, n, f"attributes: {name!r}") if many else [value] * n)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
