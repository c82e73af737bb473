"""The monitors' front: the HTTP API, what taps ask for, and the care of pools that have no replica."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from vedette.config.plan import Plan
from vedette.engine.message import Message
from vedette.engine.reduce.dispatch import Dispatcher
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.reduce.retention import Retention
from vedette.engine.running import pool_id
from vedette.engine.service import Service
from vedette.store import jobs
from vedette.store import log as batch_log
from vedette_rayserve.api import http_app
from vedette_rayserve.graph import for_threads
from vedette_rayserve.model_handle import ModelHandle
from vedette_rayserve.opening import Opened, open_bundle
from vedette_rayserve.reply import Reply, reply

log = logging.getLogger("vedette.rayserve")
REDUCE_EVERY = 0.5
WAKE_TIMEOUT = 120.0


class Control:
    """pools, explainers: handles by pool name, which also makes them part of the application."""

    def __init__(
        self, store: str, bundle: str, model_app: str, pools: Mapping[str, Any], explainers: Mapping[str, Any]
    ) -> None:
        self.opened = open_bundle(store, bundle)
        plan = self.opened.bundle.plan
        predict = ModelHandle(model_app, plan.capture)
        self.service = Service(self.opened.store, self.opened.bundle, predict, plan.model_version or "")
        self.sleeping = sleeping(plan, plan.worker_pools)
        self.keeper = Keeper(self.opened, self.sleeping, {p: explainers[p] for p in sleeping(plan, tuple(explainers))})
        self.keeper.start()

    def __serve_build_asgi_app__(self) -> Any:
        return http_app(self.service)

    def vedette_describe(self) -> Reply:
        """What a tap needs to know. sleeping: pools whose heartbeats are to come here, not to wake them."""
        return reply(lambda: {**self.service.tap_plan().to_json(), "sleeping": self.sleeping})

    def heartbeat(self, pool: str, message: bytes) -> Reply:
        """A producer that holds nothing for a pool says how far time has come."""
        return reply(lambda: self._heartbeat(pool, Message.from_bytes(message)))

    def _heartbeat(self, pool: str, head: Message) -> None:
        store, name = self.opened.store, pool_id(self.opened.bundle.plan.model, pool)
        with store.write() as connection:
            counters = dict(head.counters)
            batch_log.raise_seq(connection, name, head.producer, 0, head.low, store.now(connection), counters)

    def __del__(self) -> None:
        if hasattr(self, "keeper"):
            self.keeper.close()


def sleeping(plan: Plan, names: tuple[str, ...]) -> list[str]:
    """The pools among `names` that may have no replica."""
    least = {pool.name: pool.min_replicas for pool in plan.pools}
    return [name for name in names if least.get(name, 1) == 0]


class Keeper:
    """Threads that reduce pools at zero replicas, deliver for the default one, and wake explainers for their jobs."""

    def __init__(self, opened: Opened, pools: list[str], explainers: Mapping[str, Any]) -> None:
        store, bundle, registry = opened.store, opened.bundle, opened.registry
        self.opened = opened
        self.reducers = [Reducer(store, bundle, pool, registry) for pool in pools]
        self.explainers = explainers
        self._dispatcher = Dispatcher(store, bundle.plan, registry) if "default" in pools else None
        self._retention = Retention(store, bundle)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        loops: list[Callable[[], None]] = [self._wake] if self.explainers else []
        loops += [self._reduce] if self.reducers else []
        self._threads = [threading.Thread(target=loop, name="vedette-keeper", daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2.0)

    def _reduce(self) -> None:
        rounds = 0
        while not self._stop.wait(REDUCE_EVERY):
            rounds += 1
            held = [bool(_guarded("reduction", reducer.step)) for reducer in self.reducers]
            if self._dispatcher is not None and held[0]:
                _guarded("delivery", self._dispatcher.step)
                if rounds % 120 == 0:
                    _guarded("retention", partial(self._retention.step, self.reducers[0].lease))
        for reducer in self.reducers:
            _guarded("release", reducer.close)

    def _wake(self) -> None:
        while not self._stop.wait(REDUCE_EVERY):
            if _guarded("looking for jobs", self._jobs):
                for handle in self.explainers.values():
                    _guarded("waking explainers", partial(_work, handle))

    def _jobs(self) -> int:
        with self.opened.store.read() as connection:
            return jobs.depth(connection, self.opened.bundle.plan.model)


def _work(handle: Any) -> Any:
    return for_threads(handle).work.remote().result(timeout_s=WAKE_TIMEOUT)


def _guarded(what: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception:  # a thread outlives what goes wrong in one step
        log.exception("%s failed", what)
        return None
