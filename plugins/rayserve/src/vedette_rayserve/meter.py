"""How much of its time a replica had work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Meter:
    """Thread-safe. clock: seconds, monotone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at_work = 0
        self._busy = 0.0
        self._asked = self._counted = clock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Around a piece of work; pieces may overlap."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def share(self) -> float:
        """Share of the time since the last call (0 to 1) during which there was work."""
        with self._lock:
            now = self._count()
            busy, whole = self._busy, now - self._asked
            self._busy, self._asked = 0.0, now
            return min(1.0, busy / whole) if whole > 0 else 0.0

    def _change(self, by: int) -> None:
        with self._lock:
            self._count()
            self._at_work += by

    def _count(self) -> float:
        now = self._clock()
        if self._at_work:
            self._busy += now - self._counted
        self._counted = now
        return now
