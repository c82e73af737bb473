"""What the replicas of the monitors' application run: a pool's worker, and the explainers."""

from __future__ import annotations

import asyncio
import logging
import threading

from vedette.engine.explain.explaining import Explaining, JobRunner
from vedette.engine.work.worker import Worker
from vedette_rayserve.meter import Meter
from vedette_rayserve.model_handle import ModelHandle
from vedette_rayserve.opening import open_bundle
from vedette_rayserve.reply import Reply, failure

log = logging.getLogger("vedette.rayserve")
LOOK_EVERY = 0.5  # seconds between looks for explain jobs


class Pool:
    """One replica of a pool. `apply` is called by the taps, through RayTransport."""

    def __init__(self, store: str, bundle: str, pool: str) -> None:
        opened = open_bundle(store, bundle)
        self.worker = Worker(opened.store, opened.bundle, pool, opened.registry).start()
        self.meter = Meter()

    async def apply(self, message: bytes) -> Reply:
        """Answers when the message is committed."""
        try:
            with self.meter.work():
                fresh = await asyncio.wrap_future(self.worker.submit(message))
        except Exception as error:  # one producer's message must not end the replica; the tap retries
            return failure(error)
        return ("ok", fresh)

    def check_health(self) -> None:
        """Serve asks this now and then, and replaces the replica where it raises."""
        if not self.worker.alive():
            raise RuntimeError("a thread of the worker has ended")

    def counts(self) -> dict[str, int]:
        return self.worker.counts()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `autoscaling.by_lag` reads: messages that wait here, and the share of the time that some did."""
        return {"lag": float(self.worker.lag), "busy": self.meter.share()}

    def __del__(self) -> None:
        """Serve calls it when the replica stops in good order, and Python once more."""
        if hasattr(self, "worker"):
            self.worker.close()


class Explainers:
    """One replica of an explainer pool: claims jobs from the store, and asks the model by handle."""

    def __init__(self, store: str, bundle: str, pool: str, model_app: str) -> None:
        opened = open_bundle(store, bundle)
        predict = ModelHandle(model_app, opened.bundle.plan.capture)
        explaining = Explaining(opened.bundle, predict, opened.bundle.plan.model_version or "")
        self.runner = JobRunner(opened.store, explaining, lambda spec: spec.pool == pool)
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"vedette-explain-{pool}", daemon=True)
        self._thread.start()

    def work(self) -> int:
        """Answer what waits; called to wake a pool that has no replica. Returns how many jobs were answered."""
        done = 0
        while not self._stop.is_set() and (count := self._step()):
            done += count
        return done

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            self.work()

    def _step(self) -> int:
        try:
            with self._turn:
                return self.runner.step()
        except Exception:  # the store may be away for a while
            log.exception("looking for explain jobs failed")
            return 0

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()
