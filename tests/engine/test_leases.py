"""A reducer that was paused longer than its lease finds itself replaced, whatever it was about to write."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from tests.engine.harness import Harness
from tests.engine.traffic import detector, get_registry, message, metric, monitor, plan_of, rows, tumbling

from vedette.engine.reduce.reducer import Reducer
from vedette.store import leases, panes
from vedette.store.leases import LeaseLost
from vedette.store.tables import memories, metadata


@pytest.fixture
def engine(sqlite_url: str) -> Harness:
    plan = plan_of(
        monitor("stats", metric("moments"), windows=[tumbling(10)]), detector("shift", "change", "conformal")
    )
    return Harness(plan, sqlite_url)


def successor(engine: Harness) -> Reducer:
    return Reducer(engine.store, engine.bundle, "default", get_registry())


def contents(engine: Harness) -> dict[str, list[tuple[object, ...]]]:
    with engine.store.read() as connection:
        return {t.name: [tuple(r) for r in connection.execute(select(t))] for t in metadata.sorted_tables}


def test_one_that_was_paused_while_closing_ticks_writes_nothing(engine: Harness) -> None:
    engine.reduce()
    engine.send(5)
    engine.worker.checkpoint()
    until = engine.start + 100.0
    after: list[dict[str, list[tuple[object, ...]]]] = []

    def meanwhile() -> None:
        engine.time(11.0)
        assert successor(engine).step(until=until)
        after.append(contents(engine))

    engine.store.interrupt = (1, meanwhile)
    engine.reducer.step(until=until)
    assert engine.reducer.lease is None
    assert contents(engine) == after[0]
    assert [r.n for r in engine.results("stats")] == [5]
    assert [r.body["details"]["rows_seen"] for r in engine.results("shift")] == [5]


def test_one_that_was_paused_while_revising_overwrites_no_newer_revision(engine: Harness) -> None:
    until = engine.start + 100.0
    engine.send(5)
    engine.reduce(until)
    engine.send(2, at=engine.start)
    engine.worker.checkpoint()

    def meanwhile() -> None:
        engine.time(11.0)
        engine.send(3, at=engine.start)
        engine.worker.checkpoint()
        assert successor(engine).step(until=until, revise=True)

    for writes in range(1, 6):  # before whichever write it is that publishes the revision
        engine.store.interrupt = (writes, meanwhile)
        engine.reducer.step(until=until, revise=True)
        engine.store.heal()
        engine.time(11.0)
        assert successor(engine).step(until=until, revise=True)
        (found,) = engine.results("stats")
        with engine.store.read() as connection:
            assert panes.totals(connection, found.series) == (found.n, 0)
        engine.time(11.0)
        engine.send(2, at=engine.start)
        engine.worker.checkpoint()


def test_the_holder_finds_out_at_its_next_commit(engine: Harness) -> None:
    engine.reduce()
    old = engine.reducer.lease
    assert old is not None
    engine.time(11.0)
    assert successor(engine).step()
    with pytest.raises(LeaseLost), engine.store.write() as connection:
        leases.check(connection, old)


def test_while_the_lease_lives_another_waits(engine: Harness) -> None:
    engine.send(2)
    engine.reduce(engine.start + 50.0)
    engine.time(9.0)
    assert not successor(engine).step()
    engine.reducer.close()
    assert successor(engine).step()
    with engine.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(memories)) == 1


def test_ticks_stay_open_while_a_committed_batch_of_theirs_is_not_checkpointed(engine: Harness) -> None:
    slow = engine.new_worker()
    engine.time(60.0)
    first = rows(engine.rng, [engine.start + 1.0] * 3)
    slow.apply(message("p", 1, first, engine.store.time))
    engine.worker.apply(message("q", 1, rows(engine.rng, [engine.start + 30.0]), engine.store.time))
    engine.reduce()
    assert engine.reducer.watermark == engine.start + 1.0
    assert engine.results("stats") == []
    slow.checkpoint()
    engine.reduce()
    assert [r.n for r in engine.results("stats")] == [3, 1]
    assert engine.series("stats").late_rows == 0


def test_the_watermark_waits_for_those_who_are_heard_and_for_nobody_else(engine: Harness) -> None:
    marks: list[float] = []
    for silent in (0.0, 29.0, 2.0):
        engine.time(silent)
        engine.worker.apply(message("loud", 0, None, engine.store.time))
        if not marks:
            engine.worker.apply(message("quiet", 0, None, engine.store.time - 5.0))
        engine.reduce()
        marks.append(engine.reducer.watermark - engine.start)
    assert marks == [-5.0, -5.0, 31.0]
    engine.time(100.0)
    engine.reduce()
    assert engine.reducer.watermark == engine.store.time - 10.0  # nobody is heard: the grace behind the clock
