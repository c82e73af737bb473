"""One thread a pool: one message in flight, the same number on every retry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from vedette.engine.message import Message
from vedette.engine.tap.holdings import Holdings, Shipment
from vedette.engine.tap.settings import Complaints, Timing
from vedette.engine.tap.transport import Busy, Refused, Transport, TransportError


class Sending:
    """Delivers what the tap holds for one pool, in order; tells an idle pool once a second how far time has come."""

    def __init__(
        self,
        pool: str,
        producer: str,
        transport: Transport,
        held: Holdings,
        timing: Timing,
        complaints: Complaints,
        hurry: threading.Event,
        version: Callable[[], str],
    ) -> None:
        self.pool = pool
        self.producer = producer
        self.transport = transport
        self.held = held
        self.timing = timing
        self.complaints = complaints
        self.hurry = hurry
        self.version = version
        self.stop = threading.Event()
        self._failing_since: float | None = None  # of heartbeats, since anything was answered
        self._told: dict[str, int] = {}  # counters that were delivered last
        self.thread = threading.Thread(target=self._run, name=f"vedette-tap-{pool}", daemon=True)

    def _run(self) -> None:
        while not self.stop.is_set():
            try:
                shipment = self.held.next(self.pool, self.timing.heartbeat, self.stop)
                if shipment is not None:
                    self._deliver(shipment)
                elif not self.stop.is_set():
                    self._heartbeat()
            except Exception as error:  # the thread outlives whatever it meets
                self.held.count("errors")
                self.complaints.warn("sender failed", f"pool {self.pool!r}: {error!r}", error)
                self.stop.wait(self.timing.first_retry)
        if self.hurry.is_set() and self._failing_since is None and self.held.counters(self.pool) != self._told:
            self._heartbeat()  # what was counted since is heard of now or never

    def _deliver(self, shipment: Shipment) -> None:
        counters = self.held.counters(self.pool)
        try:
            message = shipment.message(self.pool, counters)
        except (OSError, ValueError, KeyError) as error:  # the spool's file is gone or damaged; or given up meanwhile
            self.complaints.warn("message lost", f"pool {self.pool!r}: a message cannot be read back: {error!r}")
            self.held.settle(self.pool, shipment, "dropped_rows")
            return
        attempt = 0
        while not self.stop.is_set():
            try:
                self._send(message, self.timing.send_timeout)
            except Refused as error:
                self.complaints.warn("message refused", f"pool {self.pool!r}: {error}")
                self.held.settle(self.pool, shipment, "refused_rows")
                return
            except TransportError as error:
                if error.arrived:
                    shipment.tried.add(self.pool)
                self._wait(attempt, error)
                attempt += 1
            else:
                self._told = counters
                self.held.settle(self.pool, shipment, "delivered_rows")
                return

    def _send(self, message: bytes, timeout: float) -> None:
        """Every error of the transport is a TransportError: a stranger's counts as one after which all is possible."""
        try:
            self.transport.send(self.pool, message, timeout)
            self._failing_since = None
        except TransportError:
            raise
        except Exception as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error

    def _wait(self, attempt: int, error: TransportError) -> None:
        self.held.count("retries", pool=self.pool)
        if isinstance(error, Busy):
            pause = min(max(error.retry_after, self.timing.first_retry), self.timing.longest_busy)
        else:
            self.complaints.warn("delivery failed", f"pool {self.pool!r} does not answer, the tap retries: {error}")
            pause = self.timing.retry_after(attempt)
        if self.hurry.is_set():
            self.stop.wait(min(pause, 0.1))
        else:
            self.hurry.wait(pause)

    def _heartbeat(self) -> None:
        low = self.held.low()  # before the look at the queue: rows on their way from one to the other are in either
        counters = self.held.counters(self.pool)
        message = Message(self.producer, 0, low, counters=counters, model_version=self.version()).to_bytes()
        if not self.held.idle(self.pool):
            return
        try:
            self._send(message, min(self.timing.send_timeout, 2.0))
            self._told = counters
        except TransportError as error:
            self.held.count("heartbeats_failed", pool=self.pool)
            self._heartbeat_failed(error)

    def _heartbeat_failed(self, error: TransportError) -> None:
        """Told once it has gone on for a while: nothing waits to be delivered, so that nothing is late."""
        now = time.monotonic()
        if isinstance(error, Busy):
            self._failing_since = None
            return
        if self._failing_since is None:
            self._failing_since = now
        if (seconds := now - self._failing_since) >= self.timing.patience:
            message = f"pool {self.pool!r} has not answered for {seconds:.0f} s: {error}"
            self.complaints.warn("heartbeat failed", message)
