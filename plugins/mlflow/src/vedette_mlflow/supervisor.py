"""The parent process: starts the monitors and the scoring workers, starts again what dies, and stops all in order.

It does nothing else, so that neither a model nor a monitor can take it down.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vedette_mlflow.link import Child

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_EVERY = 0.1
logger = logging.getLogger("vedette.mlflow")


class NotStarted(RuntimeError):
    """A process ended before it served for the first time: it would at every attempt."""


class Supervisor:
    """monitors: the process that takes in batches, None where they are elsewhere.  workers: those that predict.

    worker_time, monitor_time: seconds that each may take to stop; then they are killed.
    """

    def __init__(
        self, workers: Sequence[Child], monitors: Child | None, worker_time: float, monitor_time: float
    ) -> None:
        self.workers = list(workers)
        self.monitors = monitors
        self._worker_time = worker_time
        self._monitor_time = monitor_time
        self._stop = threading.Event()
        self._signals = 0
        self._told = False

    def run(self, started: Callable[[], None]) -> None:
        """Until SIGINT or SIGTERM; `started` is called when all have been ready once. Raises NotStarted."""
        with self._hearing():
            try:
                for child in self._all():
                    child.start()
                while not self._stop.wait(LOOK_EVERY):
                    self._look(started)
            finally:
                self._end()

    def _all(self) -> list[Child]:
        return [*([self.monitors] if self.monitors is not None else []), *self.workers]

    def _look(self, started: Callable[[], None]) -> None:
        for child in self._all():
            serving = child.ready
            code = child.look()
            if code is not None:
                if not self._told and not serving:
                    raise NotStarted(f"the {child.name} process ended with {code} before it served; see its messages")
                logger.error("the %s process ended with %s; it is started again", child.name, code)
            elif child.ready and not serving and self._told:
                logger.info("the %s process serves again (pid %s)", child.name, child.pid)
        if not self._told and all(child.ready for child in self._all()):
            self._told = True
            started()

    def _end(self) -> None:
        """Workers first: they ship what they hold; then the monitors, which count it."""
        for child in self.workers:
            child.signal(signal.SIGTERM)
        self._wait(self.workers, self._worker_time)
        if self.monitors is not None:
            self.monitors.stop()
            self._wait([self.monitors], self._monitor_time)
        for child in self._all():
            child.close()

    def _wait(self, children: Iterable[Child], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        left = [child for child in children if child.alive()]
        while left:
            if time.monotonic() > deadline or self._signals > 1:
                for child in left:
                    logger.error("the %s process is killed: it did not stop in time", child.name)
                    child.signal(signal.SIGKILL)
                    if child.process is not None:
                        child.process.wait()
                return
            time.sleep(0.02)
            left = [child for child in left if child.alive()]

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        """A second signal is for those who do not want to wait."""

        def hear(number: int, frame: Any) -> None:
            self._signals += 1
            self._stop.set()

        before = {number: signal.signal(number, hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
