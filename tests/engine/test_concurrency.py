"""Replicas at once: threads on both databases, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

import numpy as np
import pytest
from sqlalchemy import select
from tests.engine.traffic import (
    Bundle,
    LabelsSpec,
    bundle_of,
    get_registry,
    message,
    metric,
    monitor,
    plan_of,
    rows,
    tumbling,
)

from vedette.engine import lifecycle
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.engine.work.worker import Worker, WorkerSettings
from vedette.store import labels, panes, results, series
from vedette.store.database import Store
from vedette.store.tables import batch_log, producers


def bundle() -> Bundle:
    return bundle_of(
        plan_of(
            monitor("stats", metric("moments"), windows=[tumbling(1)]),
            monitor("regions", metric("missing_rate"), windows=[tumbling(1)], by=("region",)),
            monitor("performance", metric("accuracy"), windows=[tumbling(1)]),
            labels=LabelsSpec(within=1e6),
        )
    )


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    found = Store(store_url)
    lifecycle.deploy(found, bundle())
    yield found
    found.close()


def totals(store: Store, monitor_name: str) -> tuple[int, int]:
    with store.read() as connection:
        (row,) = [s for s in series.active(connection, "m") if s.monitor == monitor_name]
        return panes.totals(connection, row.id)


def logged(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(batch_log.c.id)).all())


def published(store: Store, monitor_name: str) -> int:
    with store.read() as connection:
        return sum(r.n for r in results.query(connection, "m", monitor_name, limit=100_000))


class SlowStore(Store):
    """Its commits wait until they are let through."""

    def __init__(self, url: str) -> None:
        self.hold: threading.Event | None = None
        self.waiting = threading.Event()
        super().__init__(url)

    @contextmanager
    def write(self):  # type: ignore[no-untyped-def]
        with super().write() as connection:
            yield connection
            if self.hold is not None:
                self.waiting.set()
                assert self.hold.wait(10.0)


def test_a_retry_on_another_replica_waits_for_the_first_commit(store_url: str) -> None:
    slow, fast = SlowStore(store_url), Store(store_url)
    found = bundle()
    lifecycle.deploy(fast, found)
    first, second = WorkerCore(slow, found, "default"), WorkerCore(fast, found, "default")
    first.enlist()
    second.enlist()
    sent = message("p", 1, rows(np.random.default_rng(0), [time.time()] * 5), time.time())
    slow.hold = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first.apply, sent)
        assert slow.waiting.wait(10.0)
        other = threads.submit(second.apply, sent)
        time.sleep(0.2)
        assert not other.done()  # it cannot know yet
        slow.hold.set()
        assert one.result(10.0) == [True]
        assert other.result(10.0) == [False]
    slow.hold = None
    for worker in (first, second):
        worker.checkpoint()
    assert totals(fast, "stats") == (5, 0)
    with fast.read() as connection:
        assert connection.scalar(select(producers.c.duplicates)) == 1
    slow.close()
    fast.close()


def test_a_retry_counts_when_the_first_commit_fails(store_url: str) -> None:
    slow, fast = SlowStore(store_url), Store(store_url)
    found = bundle()
    lifecycle.deploy(fast, found)
    first, second = WorkerCore(slow, found, "default"), WorkerCore(fast, found, "default")
    first.enlist()
    sent = message("p", 1, rows(np.random.default_rng(0), [time.time()] * 5), time.time())

    class Rolled(Exception):
        pass

    class Broken(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(timeout)
            raise Rolled

    slow.hold = Broken()
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first.apply, sent)
        assert slow.waiting.wait(10.0)
        other = threads.submit(second.apply, sent)
        slow.hold.set()
        with pytest.raises(Rolled):
            one.result(10.0)
        assert other.result(10.0) == [True]
    second.checkpoint()
    assert totals(fast, "stats") == (5, 0)
    slow.close()
    fast.close()


def together(*calls: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result(60.0)


@pytest.mark.parametrize("seed", range(3))
def test_ticks_close_while_workers_checkpoint_and_labels_come(store: Store, seed: int) -> None:
    found = bundle()
    batches, n = 25, 4
    stop = threading.Event()
    start = time.time() - 100.0

    def work(name: str) -> None:
        rng = np.random.default_rng([seed, ord(name)])
        worker = WorkerCore(store, found, "default")
        for i in range(batches):
            at = start + i
            ids = [(f"{name}-{i}", k) for k in range(n)]
            worker.apply(message(name, i + 1, rows(rng, at + rng.random(n), ids), at))
            if rng.random() < 0.5:
                worker.checkpoint()
        worker.checkpoint()

    def label() -> None:
        rng = np.random.default_rng([seed, 99])
        order = [(name, i) for i in range(batches) for name in "ab"]
        for name, i in order:
            with store.write() as connection:
                given = [
                    {"request": f"{name}-{i}", "row": k, "value": "yes", "annotator": "", "time": start}
                    for k in range(n)
                ]
                labels.add(connection, "m", given, store.now(connection))
            time.sleep(rng.random() * 0.01)

    def reduce() -> None:
        reducer = Reducer(store, found, "default", get_registry(), ttl=60.0)
        while not stop.is_set():
            reducer.step()
        for _ in range(3):
            with store.write() as connection:
                labels.wake(connection, "m")
            assert reducer.step(until=time.time() + 10.0, revise=True)
        reducer.close()

    def produce() -> None:
        try:
            together(lambda: work("a"), lambda: work("b"), label)
        finally:
            stop.set()

    together(produce, reduce)
    everything = 2 * batches * n
    assert totals(store, "stats") == totals(store, "regions") == (everything, 0)
    assert totals(store, "performance") == (everything, everything)
    assert published(store, "stats") == published(store, "regions") == published(store, "performance") == everything
    assert logged(store) == 0


def test_label_and_prediction_at_the_same_moment(store: Store) -> None:
    found = bundle()
    worker = WorkerCore(store, found, "default")
    reducer = Reducer(store, found, "default", get_registry(), ttl=60.0)
    rng = np.random.default_rng(3)
    for i in range(15):
        gate = threading.Barrier(3)

        def predict(i: int = i, gate: threading.Barrier = gate) -> None:
            now = time.time()
            batch = rows(rng, [now, now], [(f"r{i}", 0), (f"r{i}", 1)])
            gate.wait(10.0)
            worker.apply(message("p", i + 1, batch, now))
            worker.checkpoint()

        def feed(i: int = i, gate: threading.Barrier = gate) -> None:
            gate.wait(10.0)
            for row in (0, 1):
                with store.write() as connection:
                    given = [{"request": f"r{i}", "row": row, "value": "no", "annotator": "", "time": 0.0}]
                    labels.add(connection, "m", given, store.now(connection))

        def join(gate: threading.Barrier = gate) -> None:
            gate.wait(10.0)
            reducer.step()

        together(predict, feed, join)
    with store.write() as connection:
        labels.wake(connection, "m")
    assert reducer.step(until=time.time() + 10.0, revise=True)
    assert totals(store, "performance") == (30, 30)
    assert published(store, "performance") == 30
    reducer.close()


def test_only_one_of_two_workers_reduces_and_another_follows(store: Store) -> None:
    found, fast = bundle(), WorkerSettings(0.05, 0.2, 0.05, 0.05, silent=2.0, lease=2.0, idle_grace=0.0)
    workers = [Worker(store, found, "default", get_registry(), fast).start() for _ in range(2)]
    rng = np.random.default_rng(0)
    for i in range(10):
        now = time.time()
        assert workers[i % 2].apply(message("p", i + 1, rows(rng, [now] * 3), now), timeout=20.0)
    assert not workers[1].apply(message("p", 10, rows(rng, [now]), now), timeout=20.0)
    workers[0].close()
    for i in range(10, 20):
        now = time.time()
        assert workers[1].apply(message("p", i + 1, rows(rng, [now] * 3), now), timeout=20.0)
    workers[1].flush()
    deadline = time.monotonic() + 20.0
    while not workers[1].reduce(time.time() + 10.0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers[1].close()
    assert published(store, "stats") == 60
    assert totals(store, "stats") == (60, 0)
    assert logged(store) == 0


def _replica(url: str, pipe: Pipe) -> None:
    """Takes messages, acknowledges what is committed, checkpoints now and then; lives until it is killed."""
    worker = WorkerCore(Store(url), bundle(), "default", silent=0.5)
    while True:
        if pipe.poll(0.01):
            pipe.send(worker.apply(pipe.recv_bytes()))
        if np.random.default_rng().random() < 0.3:
            worker.checkpoint()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_replicas_lose_nothing_and_count_nothing_twice(store_url: str, seed: int) -> None:
    store, found = Store(store_url), bundle()
    lifecycle.deploy(store, found)
    context = multiprocessing.get_context("spawn")
    rng = np.random.default_rng(seed)
    now = time.time()
    sent = [message("p", i + 1, rows(rng, [now] * 3), now) for i in range(90)]
    todo = list(sent)
    for _ in range(2):
        mine, theirs = context.Pipe()
        process = context.Process(target=_replica, args=(store_url, theirs), daemon=True)
        process.start()
        left = int(rng.integers(20, 40))
        while todo:
            mine.send_bytes(todo[0])
            if left == 0:
                time.sleep(rng.random() * 0.02)
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)  # the message is in flight: it will be sent again
                process.join(10.0)
                break
            assert mine.poll(30.0)
            mine.recv()
            todo.pop(0)
            left -= 1
        mine.close()
        theirs.close()
    last = WorkerCore(store, found, "default", silent=0.3)
    for item in todo:
        last.apply(item)
    deadline = time.monotonic() + 20.0
    while logged(store) and time.monotonic() < deadline:
        last.checkpoint()
        last.adopt()
        time.sleep(0.1)
    assert logged(store) == 0
    assert totals(store, "stats") == (270, 0)
    reducer = Reducer(store, found, "default", get_registry())
    assert reducer.step(until=now + 100.0, revise=True)
    assert published(store, "stats") == published(store, "regions") == 270
    store.close()
