"""The tap: what sits in the model's process and ships its calls to the monitors."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
import uuid
import weakref

import numpy as np

from vedette.config.plan import TapSpec
from vedette.engine.capture.call import Call, weigh
from vedette.engine.message import TapPlan
from vedette.engine.tap.capturing import Capturing
from vedette.engine.tap.holdings import Holdings
from vedette.engine.tap.sending import Sending
from vedette.engine.tap.settings import Complaints, Timing
from vedette.engine.tap.spool import Spool
from vedette.engine.tap.transport import Transport, TransportError
from vedette_specs.batch import Batch


class Tap:
    """Takes calls and never makes the model wait: `offer` appends to a bounded buffer; threads do the rest.

    transport: how the pools are reached.   settings: bounds and spool.
    plan: what the monitors want; asked for, and looked at again every few seconds, when None.
    """

    _closed: bool
    _spool: Spool | None
    _plan: TapPlan | None
    _capturing: Capturing | None

    def __init__(
        self,
        transport: Transport,
        settings: TapSpec | None = None,
        plan: TapPlan | None = None,
        *,
        timing: Timing | None = None,
        model_version: str = "",
    ) -> None:
        self.transport = transport
        self.settings = settings or TapSpec()
        self.timing = (timing or Timing()).within(self.settings)
        self.model_version = model_version
        self._given = plan
        self._reset()
        _taps.add(self)
        self._start()

    # the model's side

    def offer(self, call: Call) -> None:
        """Take in one call. Never raises and, unless the spool is told to `sync`, never waits."""
        try:
            if not self._running:
                self._start()
            rows, size = weigh(call)
            self._take(call, rows, size, call.time)
        except Exception as error:  # whatever a stranger's object does, the model goes on
            self._failed("offer failed", error)

    def offer_batch(self, batch: Batch) -> None:
        """Take in rows that are columns already; ids, row numbers and times are filled in where they are missing."""
        try:
            if not self._running:
                self._start()
            if n := len(batch):
                times = batch.times[np.isfinite(batch.times)] if batch.times is not None else None
                least = float(times.min()) if times is not None and len(times) else None
                self._take(batch, n, _nbytes(batch), least)
        except Exception as error:
            self._failed("offer failed", error)

    def count(self, name: str, n: int = 1) -> None:
        """Raise a counter that is shipped with the tap's own: what whoever holds the tap has lost by itself."""
        self._held.count(name, n)

    def new_id(self) -> str:
        """A request id of this process: producer and counter, unique without an index."""
        return f"{self.producer}-{next(self._ids)}"

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that was offered so far is delivered, or counted as lost; False when time runs out."""
        deadline = time.monotonic() + timeout
        offered = self._held.arrived
        with self._held.changed:
            while self._held.captured < offered:
                self._held.wake.set()
                if not self._pause(deadline, 0.02):
                    return False
            newest = self._held.newest()
            while not self._held.settled(newest):
                if not self._pause(deadline, 1.0):
                    return False
        return True

    def drain(self, timeout: float = 5.0) -> bool:
        """Flush before the end: from here on nothing waits long between its attempts."""
        self._hurry.set()
        return self.flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Drain for at most `timeout` seconds and stop; what is left is counted (and stays in the spool, if any)."""
        with self._starting:
            if self._closed:
                return
            self._closed = True
        deadline = time.monotonic() + timeout
        self.drain(timeout)
        self._stop.set()
        self._held.wake.set()
        senders = list(self._senders.values())
        for sender in senders:
            sender.stop.set()
        with self._held.changed:
            self._held.changed.notify_all()
        for thread in [*self._threads, *(sender.thread for sender in senders)]:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, min(deadline - time.monotonic(), timeout)))
        self._lose_rest()
        if self._spool is not None:
            self._spool.close()
        self.transport.close()

    def counters(self, pool: str | None = None) -> dict[str, int]:
        """Counts since the producer began: of all pools together, or as one pool is told them."""
        return self._held.counters(pool)

    @property
    def plan(self) -> TapPlan | None:
        return self._plan

    # threads

    def _reset(self) -> None:
        """A producer of its own for this process: nothing held, no thread, no spool."""
        self.producer = uuid.uuid4().hex
        self._ids = itertools.count(1)
        self._plan = self._given
        self._held = Holdings(
            self.settings.buffer_rows, self.settings.buffer_bytes, self.timing.batch_rows, self.timing.batch_bytes
        )
        self._complaints = Complaints()
        self._senders: dict[str, Sending] = {}
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._planned = threading.Event()
        self._starting = threading.Lock()
        self._running = False
        self._closed = False
        self._spool = None
        self._capturing = None

    def _start(self) -> None:
        """Also lazily, after a fork. Where no thread can be started now the next offer tries again."""
        with self._starting:
            if self._running or self._closed:
                return
            if self._capturing is None:
                if self.settings.spool is not None:
                    self._spool = Spool.open(
                        self.settings.spool, self.producer, self.settings.sync, self._held, self._complaints
                    )
                store = self._spool.store if self._spool is not None else None
                self._capturing = Capturing(
                    self.producer, self._held, self.timing, self._complaints, self.new_id, store
                )
            try:
                self._start_threads(self._capturing)
                self._running = True
            except RuntimeError as error:
                self._failed("threads cannot be started", error)

    def _start_threads(self, capturing: Capturing) -> None:
        if self._plan is not None:
            self._adopt_plan(self._plan)
        work = (("flusher", lambda: self._flusher(capturing)), ("planner", self._planner))
        for name, target in work[len(self._threads) :]:
            thread = threading.Thread(target=target, name=f"vedette-tap-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _take(self, item: Call | Batch, rows: int, size: int, event_time: float | None) -> None:
        if self._closed:
            self._held.count(
                "dropped_rows" if isinstance(item, Batch) else "dropped_calls", rows if isinstance(item, Batch) else 1
            )
            return
        number = self._held.offer(item, rows, size, event_time)
        if self._spool is not None and self.settings.sync and self._plan is not None:
            self._wait_durable(number)

    def _wait_durable(self, number: int) -> None:
        """`sync: true`: the offer returns when its rows are on disk, or after sync_timeout (counted)."""
        self._held.wake.set()
        deadline = time.monotonic() + self.timing.sync_timeout
        with self._held.changed:
            while self._held.captured < number:
                if not self._pause(deadline, 1.0):
                    self._held.count("sync_late")
                    return

    def _flusher(self, capturing: Capturing) -> None:
        held, stop = self._held, self._stop
        every = self.timing.linger if self._spool is None else self.timing.flush_every
        while not stop.is_set():
            held.wake.wait(every)
            held.wake.clear()
            plan = self._plan
            if plan is None:
                self._planned.wait(self.timing.flush_every)
                continue
            try:
                capturing.model_version = self.model_version
                capturing.run(plan)
                held.tell()
            except Exception as error:  # the thread outlives whatever it meets
                self._failed("flusher failed", error)

    def _planner(self) -> None:
        """Asks for the plan until it is known, then looks whether it has changed; adopts spools left behind."""
        stop, attempt = self._stop, 0
        next_adoption = 0.0
        while not stop.is_set():
            try:
                if self._given is None:
                    self._adopt_plan(self.transport.describe())
                    attempt = 0
                if self._spool is not None and self._plan is not None and time.monotonic() >= next_adoption:
                    next_adoption = time.monotonic() + self.timing.adopt_every
                    self._spool.adopt(self._plan.pools)
            except TransportError as error:
                self._complaints.warn("plan unknown", f"the monitors do not say what they want: {error}")
                attempt += 1
            except Exception as error:
                self._failed("planner failed", error)
                attempt += 1
            stop.wait(self.timing.retry_after(attempt) if self._plan is None else self.timing.refresh)

    def _adopt_plan(self, plan: TapPlan) -> None:
        """Pools come and go with the plan."""
        if plan.digest != getattr(self._plan, "digest", None) or set(plan.pools) != set(self._senders):
            for pool in [pool for pool in self._senders if pool not in plan.pools]:
                self._senders.pop(pool).stop.set()
                self._held.give_up(pool, keep_spooled=False)
            self._plan = plan
            for pool in plan.pools:
                if pool not in self._senders:
                    sender = self._sender(pool)
                    sender.thread.start()
                    self._senders[pool] = sender
            self._planned.set()

    def _sender(self, pool: str) -> Sending:
        return Sending(
            pool, self.producer, self.transport, self._held, self.timing, self._complaints, self._hurry,
            lambda: self.model_version,
        )  # fmt: skip

    def _lose_rest(self) -> None:
        """What could not be delivered before the end is counted."""
        self._held.closed = True
        for pool in self._held.pools():
            self._held.give_up(pool, keep_spooled=True)
        self._held.drop_offers()

    def _pause(self, deadline: float, longest: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self._held.changed.wait(min(left, longest))
        return True

    def _failed(self, kind: str, error: Exception) -> None:
        self._held.count("errors")
        self._complaints.warn(kind, f"the tap goes on: {error!r}", error)

    def _after_fork(self) -> None:
        """In the child: what the parent holds is the parent's to deliver."""
        spool, closed = self._spool, self._closed
        self._reset()
        self._closed = closed
        if spool is not None:
            spool.forget()
        if (renew := getattr(self.transport, "after_fork", None)) is not None:
            renew()


def _nbytes(batch: Batch) -> int:
    """Estimated size of a batch in memory."""
    columns = [*batch.inputs.values(), *batch.attributes.values()]
    size = sum(c.values.nbytes if c.values.dtype != object else 64 * len(c) for c in columns)
    return size + 64 * len(batch) + (batch.probabilities.nbytes if batch.probabilities is not None else 0)


_taps: weakref.WeakSet[Tap] = weakref.WeakSet()


def _fork_all() -> None:
    for tap in list(_taps):
        tap._after_fork()


def _close_all() -> None:
    """At the end of the process: one second for all taps that nobody closed."""
    deadline = time.monotonic() + 1.0
    for tap in list(_taps):
        tap.close(max(0.0, deadline - time.monotonic()))


os.register_at_fork(after_in_child=_fork_all)
atexit.register(_close_all)
