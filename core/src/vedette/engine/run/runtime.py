"""One process that runs all pools of a model: the same worker, reducer and store as everywhere."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from vedette.config.plan import MonitorSpec, Plan
from vedette.engine import lifecycle
from vedette.engine.bundle import Bundle
from vedette.engine.lifecycle import Change
from vedette.engine.reduce.extents import extent_of
from vedette.engine.work.worker import Worker, WorkerSettings
from vedette.plugins import Registry
from vedette.store import labels
from vedette.store.database import Store

logger = logging.getLogger("vedette.worker")


class Runtime:
    """Workers of every pool, in threads of this process."""

    def __init__(
        self,
        store: Store,
        bundle: Bundle,
        registry: Registry,
        settings: WorkerSettings | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.store = store
        self.bundle = bundle
        self.changes: list[Change] = lifecycle.deploy(store, bundle)
        pools = bundle.plan.worker_pools
        self.workers = {pool: Worker(store, bundle, pool, registry, settings, clock) for pool in pools}

    def start(self) -> Runtime:
        """Start the workers of all pools, or of none: nobody has a runtime that could not start, to close it."""
        begun: list[Worker] = []
        try:
            for worker in self.workers.values():
                begun.append(worker)
                worker.start()
        except BaseException:
            for worker in reversed(begun):
                self._give_up(worker)
            raise
        return self

    def flush(self) -> None:
        """Everything applied so far is checkpointed, labels are joined, closed ticks are evaluated."""
        self._settle(None)

    def finish(self, latest: float) -> None:
        """Close all ticks and windows up to the last row at `latest` (event time)."""
        self._settle(ends_after(self.bundle.plan, latest))

    def _settle(self, until: float | None) -> None:
        for worker in self.workers.values():
            worker.flush()
        with self.store.write() as connection:
            labels.wake(connection, self.bundle.plan.model)
        for _ in range(2):  # labels that are joined in the first round may land in pools reduced before
            for worker in self.workers.values():
                worker.reduce(until)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def _give_up(self, worker: Worker) -> None:
        """Whatever goes wrong now is less than what is being told."""
        try:
            worker.close()
        except Exception:
            logger.exception("the worker of pool %s could not be closed", worker.core.pool)


def ends_after(plan: Plan, latest: float) -> float:
    """Event time by which every window that a row at `latest` falls into for the first time has ended."""
    return max((_end_after(spec, latest) for spec in plan.monitors), default=latest)


def _end_after(spec: MonitorSpec, latest: float) -> float:
    steps = [spec.tick, *(w.every or w.span or spec.tick for w in spec.windows if w.rows is None and not w.calendar)]
    ends = [(math.floor(latest / step) + 1) * step for step in steps]
    for window in spec.windows:
        if window.calendar:
            extent = extent_of(window, spec.tick, lambda end: [])
            end = extent.ends(math.floor(latest / spec.tick), math.ceil((latest + window.reach) / spec.tick))[0]
            ends.append(end * spec.tick)
    return max(ends) + max((w.grace for w in spec.windows), default=0.0)
