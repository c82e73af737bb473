"""The tap's times and sizes, and a logger that cannot flood."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, replace

from vedette.config.plan import TapSpec

log = logging.getLogger("vedette.tap")


@dataclass(frozen=True)
class Timing:
    """Seconds, rows and bytes.

    flush_every: with a spool, what SIGKILL may lose.   linger: without one; a batch costs the model's process several
    milliseconds to send and the monitors far more to commit and count, however few rows it has, and results come by
    the second anyway. Rows and bytes of a batch flush earlier.
    patience: how long heartbeats fail before it is told; monitors beside a model start some seconds after it.
    """

    flush_every: float = 0.05
    linger: float = 1.0
    batch_rows: int = 8192
    batch_bytes: int = 4 << 20
    send_timeout: float = 10.0
    first_retry: float = 0.05
    longest_retry: float = 5.0
    longest_busy: float = 30.0
    heartbeat: float = 1.0
    patience: float = 15.0
    refresh: float = 5.0
    adopt_every: float = 15.0
    sync_timeout: float = 1.0

    def within(self, settings: TapSpec) -> Timing:
        """Batches that are small beside the buffer: a larger one would be dropped, or hold what waits behind it."""
        rows, size = max(1, settings.buffer_rows // 4), max(1, settings.buffer_bytes // 4)
        return replace(self, batch_rows=min(self.batch_rows, rows), batch_bytes=min(self.batch_bytes, size))

    def retry_after(self, attempt: int) -> float:
        """Exponential, bounded, with half of it at random so that many taps do not come back at once."""
        full = min(self.longest_retry, self.first_retry * 2.0 ** min(attempt, 30))
        return full * (0.5 + random.random() / 2)


class Complaints:
    """Warnings of what happens again and again: the first few of each kind, then one a minute with its count."""

    def __init__(self, first: int = 3, every: float = 60.0) -> None:
        self._first = first
        self._every = every
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, float]] = {}

    def warn(self, kind: str, message: str, error: BaseException | None = None) -> None:
        with self._lock:
            count, last = self._seen.get(kind, (0, 0.0))
            now = time.monotonic()
            speak = count < self._first or now - last >= self._every
            self._seen[kind] = (count + 1, now if speak else last)
        if speak:
            log.warning("%s (%s no. %d)", message, kind, count + 1, exc_info=error)
