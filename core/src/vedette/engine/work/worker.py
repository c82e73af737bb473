"""A monitor replica at work: one thread commits and counts, one reduces, one delivers to sinks."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from vedette.engine.bundle import Bundle
from vedette.engine.reduce.dispatch import Dispatcher
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.reduce.retention import Retention
from vedette.engine.running import Followed
from vedette.engine.tap.transport import Busy
from vedette.engine.work.core import Parsed, WorkerCore
from vedette.plugins import Registry
from vedette.store.database import Store

logger = logging.getLogger("vedette.worker")


@dataclass(frozen=True)
class WorkerSettings:
    """Seconds, but for the queue's bounds."""

    checkpoint_every: float = 1.0
    adopt_every: float = 3.0
    reduce_every: float = 1.0
    deliver_every: float = 0.5
    retain_every: float = 60.0
    silent: float = 15.0
    lease: float = 10.0
    idle_grace: float = 10.0
    drain: float = 5.0
    queue_messages: int = 256
    queue_bytes: int = 64 << 20
    group: int = 64


@dataclass
class _Job:
    """A message to commit, or (parsed None) a wish for a checkpoint."""

    parsed: Parsed | None
    size: int
    done: Future[bool]


@dataclass
class _Times:
    """When the next checkpoint and the next adoption are due."""

    checkpoint: float = 0.0
    adoption: float = 0.0


def _answer(job: _Job, answer: bool | Exception) -> None:
    """Tell who waits; nobody does where the caller has cancelled."""
    if not job.done.set_running_or_notify_cancel():
        return
    if isinstance(answer, Exception):
        job.done.set_exception(answer)
    else:
        job.done.set_result(answer)


class Worker:
    """Runs a pool's monitors. Thread-safe.

    apply(message) returns when the message is committed: True where it was new, False for a duplicate; raises
    Busy(retry_after) when the worker is behind, CodecError for bytes that are no message.
    """

    def __init__(
        self,
        store: Store,
        bundle: Bundle,
        pool: str,
        registry: Registry,
        settings: WorkerSettings | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.settings = settings or WorkerSettings()
        plan = bundle.plan
        self.core = WorkerCore(
            store, bundle, pool, plan.retention if clock is None else None, clock,
            keeps_predictions=pool == plan.worker_pools[0], silent=self.settings.silent,
        )  # fmt: skip
        self.reducer = Reducer(store, bundle, pool, registry, clock, self.settings.lease, self.settings.idle_grace)
        self.dispatcher = Dispatcher(store, plan, registry)
        # a clock of its own runs through the past, all of which is asked for
        self.retention = Retention(store, bundle) if clock is None else None
        self._followed = Followed(store, bundle) if pool == plan.worker_pools[0] else None
        self._jobs: queue.Queue[_Job] = queue.Queue(self.settings.queue_messages)
        self._queued_bytes = 0
        self._counting = threading.Lock()  # of the bytes: callers and the worker's thread change them
        self._reducing = threading.Lock()
        self._stop = threading.Event()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> Worker:
        self.core.enlist()
        loops = {"worker": self._work, "reducer": self._reduce, "sinks": self._deliver}
        for name, loop in loops.items():
            thread = threading.Thread(target=loop, name=f"vedette-{name}-{self.core.pool}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def submit(self, message: bytes) -> Future[bool]:
        """Queue a message; the future is done when it is committed. Raises Busy or CodecError at once."""
        if self._closed:
            raise Busy(1.0, "the worker is shutting down")
        parsed = self.core.parse(message)
        if self._queued_bytes > self.settings.queue_bytes:
            raise Busy(0.5)
        job = _Job(parsed, len(message), Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Busy(0.5) from None
        with self._counting:
            self._queued_bytes += job.size
        return job.done

    def apply(self, message: bytes, timeout: float | None = None) -> bool:
        return self.submit(message).result(timeout)

    def flush(self, timeout: float = 30.0) -> None:
        """Return when all that was submitted before is checkpointed."""
        wish = _Job(None, 0, Future())
        self._jobs.put(wish, timeout=timeout)
        wish.done.result(timeout)

    def reduce(self, until: float | None = None) -> bool:
        """Close what can be closed now, and publish all revisions; False while another process holds the lease."""
        with self._reducing:
            return self.reducer.step(until, revise=True)

    @property
    def lag(self) -> int:
        """Messages that wait: what replicas scale by."""
        return self._jobs.qsize()

    def counts(self) -> dict[str, int]:
        return dict(self.core.counts)

    def close(self) -> None:
        """Refuse, drain for a few seconds, checkpoint, release the lease."""
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + self.settings.drain
        while not self._jobs.empty() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._stop.set()
        if self._threads and self._jobs.empty():
            self._jobs.put(_Job(None, 0, Future()))  # so that the thread does not wait out its interval
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        if not self._threads:  # enlisted, and then no thread could be started
            self._guard("retirement", self.core.retire)
        self.dispatcher.close()

    def alive(self) -> bool:
        """Whether the threads run: a platform replaces a replica whose worker does not."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        times = _Times()
        while not (self._stop.is_set() and self._jobs.empty()):
            self._guard("a round", lambda: self._round(times))
        self._guard("last checkpoint", self.core.checkpoint)
        self._guard("retirement", self.core.retire)

    def _round(self, times: _Times) -> None:
        group = self._next_group(max(0.0, times.checkpoint - time.monotonic()))
        wishes = [job for job in group if job.parsed is None]
        self._commit([job for job in group if job.parsed is not None])
        if wishes or time.monotonic() >= times.checkpoint:
            times.checkpoint = time.monotonic() + self.settings.checkpoint_every
            self._checkpoint(wishes)
        if time.monotonic() >= times.adoption:
            times.adoption = time.monotonic() + self.settings.adopt_every
            self._guard("adoption", self.core.adopt)
            if self._followed is not None:
                self._guard("looking for a newer deployment", self._followed.look)

    def _next_group(self, wait: float) -> list[_Job]:
        """What waits, at most a group; at least one job unless none comes in time."""
        group: list[_Job] = []
        try:
            group.append(self._jobs.get(timeout=max(wait, 0.001)))
            while len(group) < self.settings.group:
                group.append(self._jobs.get_nowait())
        except queue.Empty:
            pass
        taken = sum(job.size for job in group)
        with self._counting:
            self._queued_bytes -= taken
        return group

    def _commit(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            fresh, logged = self.core.commit([job.parsed for job in jobs if job.parsed is not None])
        except Exception as error:
            logger.exception("a commit failed; its %d messages will be sent again", len(jobs))
            for job in jobs:
                _answer(job, error)
            return
        for job, new in zip(jobs, fresh, strict=True):
            _answer(job, new)
        self._guard("counting", lambda: self.core.absorb(logged))

    def _checkpoint(self, wishes: list[_Job]) -> None:
        answer: bool | Exception = True
        try:
            self.core.checkpoint()
        except Exception as error:
            logger.exception("a checkpoint failed; its batches are in the log and will be taken up again")
            answer = error
        for job in wishes:
            _answer(job, answer)

    def _reduce(self) -> None:
        while not self._stop.wait(self.settings.reduce_every):
            with self._reducing:
                held = self._guard("reduction", self.reducer.step)
            if not held:
                self._stop.wait(self.settings.lease / 4)
        with self._reducing:
            self._guard("release", self.reducer.close)

    def _deliver(self) -> None:
        next_retention = time.monotonic() + self.settings.retain_every
        while not self._stop.wait(self.settings.deliver_every):
            lease = self.reducer.lease
            if lease is None or self.core.pool != "default":
                continue
            self._guard("delivery", self.dispatcher.step)
            if self.retention is not None and time.monotonic() >= next_retention:
                self._guard("retention", partial(self.retention.step, lease))
                next_retention = time.monotonic() + self.settings.retain_every

    def _guard(self, what: str, call: Callable[[], object]) -> object:
        """A thread outlives what goes wrong in one step: it is logged, and the step is tried again."""
        try:
            return call()
        except Exception:
            logger.exception("%s failed", what)
            return None
