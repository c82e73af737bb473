"""A runtime that cannot start leaves nothing at work, and says why."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from tests.engine.traffic import bundle_of, get_registry, lifetime, metric, monitor, plan_of

from vedette.config.plan import PoolSpec
from vedette.engine.run.runtime import Runtime
from vedette.engine.work.worker import Worker, WorkerSettings
from vedette.store.database import Store
from vedette.store.tables import incarnations

POOLS = ("default", "heavy", "last")
FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = Store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def runtime(store: Store) -> Runtime:
    monitors = [monitor(f"of_{pool}", metric("moments"), windows=[lifetime()], pool=pool) for pool in POOLS]
    plan = plan_of(*monitors, pools=tuple(PoolSpec(pool) for pool in POOLS))
    return Runtime(store, bundle_of(plan), get_registry(), FAST)


@pytest.fixture
def before() -> set[threading.Thread]:
    """Threads of tests that failed may still be there."""
    return set(threading.enumerate())


def at_work(before: set[threading.Thread]) -> list[str]:
    new = set(threading.enumerate()) - before
    return [t.name for t in new if t.name.startswith(("vedette-worker", "vedette-reducer"))]


def enlisted(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(incarnations.c.id).where(~incarnations.c.fenced)).all())


def fail(worker: Worker, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises() -> None:
        raise OSError(f"{step} of {worker.core.pool} fails")

    monkeypatch.setattr(worker.core if step == "enlist" else worker.dispatcher, step, raises)


def test_a_worker_that_cannot_start_takes_the_others_with_it(
    runtime: Runtime, store: Store, before: set[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(runtime.workers["last"], "enlist", monkeypatch)
    started = time.monotonic()
    with pytest.raises(OSError, match="enlist of last fails"):
        runtime.start()
    assert time.monotonic() - started < 2.0, "nothing was waited for"
    assert at_work(before) == []
    assert enlisted(store) == 0


def test_the_first_error_is_the_one_that_is_raised(
    runtime: Runtime, before: set[threading.Thread], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(runtime.workers["heavy"], "close", monkeypatch)
    fail(runtime.workers["last"], "enlist", monkeypatch)
    with pytest.raises(OSError, match="enlist of last fails"):
        runtime.start()
    assert at_work(before) == []
    assert "the worker of pool heavy could not be closed" in caplog.text


@pytest.mark.parametrize("thread", ["worker", "reducer", "sinks"])
def test_a_thread_that_cannot_be_started_leaves_no_incarnation(
    thread: str, runtime: Runtime, store: Store, before: set[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def sometimes(self: threading.Thread) -> None:
        if self.name == f"vedette-{thread}-heavy":
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", sometimes)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        runtime.start()
    assert at_work(before) == []
    assert enlisted(store) == 0
