"""A tap that is made when the first call comes, and whose failures never reach the model."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable

from vedette.config.plan import TapSpec
from vedette.engine.capture.call import Call
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import Transport

CLOSE_TIMEOUT = 3.0
RETRY_AFTER = 30.0  # seconds between attempts to make a tap that cannot be made
log = logging.getLogger("vedette.tap")


class NotConnected(RuntimeError):
    """The tap could not be made a moment ago."""


class LazyTap:
    """What an instrumented model holds: a process that is never called starts no threads, and forks copy none.

    connect: makes the transport, at first use.  An error here is logged once and costs rows only.
    """

    def __init__(
        self, connect: Callable[[], Transport], settings: TapSpec | None = None, model_version: str = ""
    ) -> None:
        self.connect = connect
        self.settings = settings or TapSpec()
        self.model_version = model_version
        self._tap: Tap | None = None
        self._lock = threading.Lock()
        self._retry_at = 0.0
        self._logged = False
        _taps.add(self)

    @property
    def tap(self) -> Tap:
        """Raises NotConnected, or what `connect` raises."""
        if self._tap is None:
            self._check_due()  # outside the lock: no request waits for another's attempt again
            with self._lock:
                if self._tap is None:
                    self._tap = self._connected()
        return self._tap

    def offer(self, call: Call | None) -> None:
        """Take in a call, None for what is no prediction. Never raises."""
        if call is None:
            return
        try:
            self.tap.offer(call)
        except Exception as error:  # the model must not suffer
            self.failed(error)

    def new_id(self) -> str:
        """A request id. Never raises: without a tap the id is nobody's, and as good for the client."""
        try:
            return self.tap.new_id()
        except Exception as error:
            self.failed(error)
            return uuid.uuid4().hex

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        try:
            if self._tap is not None:
                self._tap.close(timeout=timeout)
        except Exception as error:  # the process ends either way
            self.failed(error)

    def failed(self, error: Exception) -> None:
        if not self._logged:
            self._logged = True
            log.error("predictions of this process are not all monitored: %s: %s", type(error).__name__, error)
            log.debug("", exc_info=error)

    def _check_due(self) -> None:
        if time.monotonic() < self._retry_at:
            raise NotConnected(f"no tap; tried again every {RETRY_AFTER:.0f} s")

    def _connected(self) -> Tap:
        self._check_due()  # another request's attempt has failed while this one waited
        try:
            return Tap(self.connect(), self.settings, model_version=self.model_version)
        except Exception:
            self._retry_at = time.monotonic() + RETRY_AFTER
            raise

    def _after_fork(self) -> None:
        """In the child: the lock may have been held by a thread that the child does not have."""
        self._lock = threading.Lock()


_taps: weakref.WeakSet[LazyTap] = weakref.WeakSet()


def _fork_all() -> None:
    for tap in list(_taps):
        tap._after_fork()


os.register_at_fork(after_in_child=_fork_all)
