"""What went wrong around a worker once: callers that cancel, stores that fail midway, neighbours that adopt."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update
from tests.engine.harness import Harness
from tests.engine.traffic import lifetime, metric, monitor, plan_of, rows

from vedette.engine.message import Message
from vedette.engine.work.core import WorkerCore
from vedette.engine.work.worker import Worker, WorkerSettings
from vedette.store import log
from vedette.store.database import Store
from vedette.store.tables import batch_log, incarnations
from vedette_specs.codec import CodecError, encode

PLAN = plan_of(monitor("stats", metric("moments"), windows=[lifetime()]))


@pytest.fixture
def engine() -> Harness:
    return Harness(PLAN)


def beats(count: int, producer: str = "p") -> list[bytes]:
    return [Message(f"{producer}{i}", 0, 1.0).to_bytes() for i in range(count)]


def test_a_cancelled_caller_does_not_end_the_worker(engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings(checkpoint_every=0.05, reduce_every=60.0)
    worker = Worker(engine.store, engine.bundle, "default", engine.bundle.registry, settings)
    slow = threading.Event()
    commit = worker.core.commit

    def wait_then_commit(messages: Any) -> Any:
        slow.wait(5)
        return commit(messages)

    monkeypatch.setattr(worker.core, "commit", wait_then_commit)
    worker.start()
    try:
        first = worker.submit(beats(1)[0])
        assert first.cancel()
        slow.set()
        assert worker.apply(beats(1, "q")[0], timeout=5) is True
        assert worker.alive()
    finally:
        worker.close()
    assert not worker.alive()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": "x"}, {"seq": 2**70}, {"seq": -1}, {"seq": True}, {"producer": 7}, {"producer": ""},
        {"producer": "p" * 65}, {"low": float("nan")}, {"low": None}, {"low": float("inf")}, {"rows": 1.5},
        {"batch": "text"}, {"counters": {"a": "1"}}, {"counters": [1]}, {"counters": {"a": -1}},
        {"model_version": 3}, {"strange": 1},
    ],
)  # fmt: skip
def test_a_message_with_a_wrong_field_is_refused_by_itself(engine: Harness, wrong: dict[str, Any]) -> None:
    fields = {**Message("p", 1, 1.0).__dict__, **wrong}
    with pytest.raises(CodecError):
        Message.from_bytes(encode({"v": 1, **fields}))


def test_an_adoption_that_fails_midway_leaves_nothing_behind(engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = logged(engine, "dead", 4)
    silence(engine.store, dead)
    heir = WorkerCore(engine.store, engine.bundle, "default", silent=0.5)
    real, calls = log.begin_attempt, []

    def fail_on_second(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise ConnectionError("the store went away")
        return real(*arguments)

    monkeypatch.setattr(log, "begin_attempt", fail_on_second)
    with pytest.raises(ConnectionError):
        heir.adopt()
    monkeypatch.setattr(log, "begin_attempt", real)
    heir.enlist()  # fences what it was before: its batches may be taken at once
    WorkerCore(engine.store, engine.bundle, "default", silent=0.5).adopt()
    assert owners(engine.store) == []


def test_a_store_that_fails_poisons_no_batch(engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    silence(engine.store, logged(engine, "dead", 1))
    for _ in range(5):
        heir = WorkerCore(engine.store, engine.bundle, "default", silent=0.2)

        def fail(*arguments: Any) -> None:
            raise ConnectionError("the store went away")

        with monkeypatch.context() as broken:
            broken.setattr(log, "cover", fail)
            with pytest.raises(ConnectionError):
                heir.adopt()
        silence(engine.store, heir._given_up)
    heir = WorkerCore(engine.store, engine.bundle, "default", silent=0.2)
    assert heir.adopt() == 1
    assert heir.counts.get("poisoned", 0) == 0


def test_an_owner_that_is_heard_again_keeps_its_batches(engine: Harness) -> None:
    alive = logged(engine, "alive", 1)
    me = WorkerCore(engine.store, engine.bundle, "default")
    me.enlist()
    with engine.store.write() as connection:
        now = engine.store.now(connection)
        assert log.adopt(connection, alive, me.incarnation, now, now - 15.0) == []
    assert owners(engine.store) == [alive]


def test_two_workers_that_find_each_other_silent_do_not_deadlock(postgres_url: str) -> None:
    engine = Harness(PLAN, postgres_url)
    cores = [WorkerCore(engine.store, engine.bundle, "default", silent=0.0) for _ in range(2)]
    problems: list[BaseException] = []

    def adopt(core: WorkerCore) -> None:
        try:
            for _ in range(20):
                core.adopt()
        except BaseException as error:
            problems.append(error)

    for number, core in enumerate(cores):
        core.apply(*batches(engine, f"p{number}", 2))
    threads = [threading.Thread(target=adopt, args=(core,)) for core in cores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    engine.store.close()


def batches(engine: Harness, producer: str, count: int) -> list[bytes]:
    now = engine.store.now()
    found = []
    for seq in range(1, count + 1):
        batch = rows(np.random.default_rng(seq), [now] * 3)
        found.append(Message(producer, seq, now, batch.to_bytes(), 3).to_bytes())
    return found


def logged(engine: Harness, producer: str, count: int) -> str:
    """Commit batches by an incarnation that never counts them; returns its id."""
    core = WorkerCore(engine.store, engine.bundle, "default")
    core.commit([core.parse(message) for message in batches(engine, producer, count)])
    return core.incarnation


def silence(store: Store, incarnation: str) -> None:
    with store.write() as connection:
        connection.execute(update(incarnations).where(incarnations.c.id == incarnation).values(seen=0.0))


def owners(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(select(batch_log.c.owner)))
