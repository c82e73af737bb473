"""Stopping after the model: BentoML tells all its processes to stop at the same moment."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

STILL = 2.5  # seconds without a message: a tap that has nothing to ship says so once a second
LONGEST = 15.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Lingering:
    """Holds back the signal to stop for as long as taps are heard, so that they can drain into this process.

    heard: when the last message came, time.monotonic.  Does nothing outside of the main thread (as in tests).
    """

    def __init__(self, heard: Callable[[], float], still: float = STILL, longest: float = LONGEST) -> None:
        self.heard = heard
        self.still = still
        self.longest = longest
        self._told: float | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Call from the event loop that serves, when its server handles signals already."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            server = signal.getsignal(number)
            if callable(server):
                signal.signal(number, self._handler(loop, server))

    def _handler(self, loop: asyncio.AbstractEventLoop, server: Callable[..., Any]) -> Callable[..., Any]:
        def told(number: int, frame: FrameType | None) -> None:
            if self._told is None:  # Ctrl-C comes from the terminal and from BentoML
                self._told = time.monotonic()
                loop.call_soon_threadsafe(self._wait, number, server)

        return told

    def _wait(self, number: int, server: Callable[..., Any]) -> None:
        async def until_still() -> None:
            while self.left() > 0:
                await asyncio.sleep(0.1)
            server(number, None)

        self._task = asyncio.get_running_loop().create_task(until_still())

    def left(self) -> float:
        """Seconds that it still waits for more."""
        if self._told is None:
            return self.longest
        now = time.monotonic()
        quiet = now - max(self.heard(), self._told)
        return min(self.still - quiet, self._told + self.longest - now)
