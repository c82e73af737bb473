"""A thread that answers explain jobs."""

from __future__ import annotations

import logging
import threading

from vedette.engine.explain.explaining import JobRunner

PAUSE = 0.5  # seconds between looks for jobs
logger = logging.getLogger("vedette.explain")


class JobThread:
    """Runs from `start` to `stop`, and outlives a store that does not answer."""

    def __init__(self, jobs: JobRunner) -> None:
        self._jobs = jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vedette-explain", daemon=True)

    def start(self) -> JobThread:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Begin to stop: no job is claimed any more."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        self.stop()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self._jobs.step()
            except Exception:
                logger.exception("explain jobs could not be claimed; they are tried again")
                busy = 0
            if not busy:
                self._stop.wait(PAUSE)
