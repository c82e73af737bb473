"""Where nothing waits, monitors ask their store little, however many they are and however much they have stored."""

from __future__ import annotations

from sqlalchemy import event
from tests.engine.harness import Harness
from tests.engine.traffic import metric, monitor, plan_of, tumbling


def asked(monitors: int) -> int:
    """Statements of a step that finds nothing to do, of windows that have come to their end and of open ones."""
    named = [monitor(f"m{i}", metric("moments"), windows=[tumbling(10.0), tumbling(3600.0)]) for i in range(monitors)]
    engine = Harness(plan_of(*named))
    for _ in range(30):
        engine.send(5)
        engine.time(1.0)
        engine.reduce()
    engine.time(120.0)
    for _ in range(3):
        engine.reduce()
    assert len(engine.results("m0", "10s")) == 3
    count: list[str] = []
    event.listen(engine.store.engine, "before_cursor_execute", lambda *a: count.append(a[2]))
    assert engine.reducer.step()
    return len(count)


def test_more_monitors_ask_no_more() -> None:
    assert asked(1) == asked(8) < 25


def test_time_that_passes_without_rows_is_looked_at_once() -> None:
    """A window by time may end without a row of its last tick, but it ends once."""
    engine = Harness(plan_of(monitor("m", metric("moments"), windows=[tumbling(10.0)])))
    engine.send(5)
    engine.reduce()
    assert engine.results("m") == []
    engine.time(60.0)
    for _ in range(3):
        engine.reduce()
    (found,) = engine.results("m")
    assert found.n == 5
    engine.send(4)
    engine.time(60.0)
    for _ in range(3):
        engine.reduce()
    assert [result.n for result in engine.results("m")] == [5, 4]


def test_ends_that_were_looked_at_in_vain_are_looked_at_again_when_rows_come() -> None:
    """The last read may be full, so that ticks are closed to less than what was looked at."""
    engine = Harness(plan_of(monitor("m", metric("moments"), windows=[tumbling(10.0), tumbling(60.0)])))
    begun = engine.store.time // 60.0 * 60.0
    assert engine.reducer.step(begun + 100.0)
    engine.send(5, at=begun + 1.0)
    engine.worker.checkpoint()
    engine.reducer._parts = 1
    for _ in range(2):
        assert engine.reducer.step(begun + 100.0)
    assert [(r.window, r.end - begun) for r in engine.results("m")] == [("10s", 10.0), ("60s", 60.0)]


def test_a_time_before_the_one_looked_at_has_its_windows() -> None:
    engine = Harness(plan_of(monitor("m", metric("moments"), windows=[tumbling(10.0), tumbling(100.0)])))
    begun = engine.store.time // 100.0 * 100.0
    assert engine.reducer.step(begun + 1000.0)
    engine.send(5, at=begun + 1.0)
    engine.worker.checkpoint()
    for until in (50.0, 150.0):
        assert engine.reducer.step(begun + until)
    assert [r.end - begun for r in engine.results("m")] == [10.0, 100.0]
