"""Components and sinks that raise, workers that a batch kills: what happens to them, and to their neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import select
from tests.engine.faulty_store import Crash
from tests.engine.harness import Harness
from tests.engine.traffic import detector, metric, monitor, plan_of, rows, tumbling

from vedette.components.metrics.missing_rate import MissingRate
from vedette.components.metrics.moments import Moments
from vedette.engine.work.accumulate import SegmentsUnknown
from vedette.store import labels, log, outbox, panes
from vedette.store.tables import batch_log
from vedette.store.tables import outbox as outbox_table
from vedette_specs.batch import Batch
from vedette_specs.components import State
from vedette_specs.results import Event


@pytest.fixture
def engine() -> Harness:
    return Harness(
        plan_of(
            monitor("stats", metric("moments"), windows=[tumbling(10)]),
            monitor("gaps", metric("missing_rate"), windows=[tumbling(10)]),
        )
    )


def break_moments(
    monkeypatch: pytest.MonkeyPatch, when: str = "add", error: type[BaseException] = RuntimeError
) -> None:
    def fail(*arguments: object) -> State:
        raise error("no luck")

    monkeypatch.setattr(Moments, when, fail)


def test_a_component_that_raises_is_quarantined_alone_and_its_missing_rows_are_counted(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.send(4)
    break_moments(monkeypatch)
    engine.send(3)
    engine.send(2)
    engine.settle()
    stats, gaps = engine.series("stats"), engine.series("gaps")
    assert (stats.status, stats.missing_rows) == ("quarantined", 9)
    assert "no luck" in (stats.reason or "")
    assert (gaps.status, gaps.missing_rows) == ("active", 0)
    assert sum(r.n for r in engine.results("gaps")) == 9
    assert engine.results("stats") == []


def test_rows_counted_before_the_fault_stay(engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.send(4)
    engine.worker.checkpoint()
    break_moments(monkeypatch)
    engine.send(3)
    engine.settle()
    assert engine.series("stats").missing_rows == 3
    assert [r.n for r in engine.results("stats")] == [4]


def test_other_replicas_stop_counting_too_and_say_what_is_missing(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = engine.new_worker()
    engine.send(1, worker=other)
    with monkeypatch.context() as broken:
        break_moments(broken)
        engine.send(3)
    engine.worker.checkpoint()
    other.checkpoint()
    engine.send(5, worker=other)
    other.checkpoint()
    assert engine.series("stats").missing_rows == 3 + 5


def test_a_component_that_raises_in_the_reducer_is_quarantined_once(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.send(4)
    break_moments(monkeypatch, "result")
    engine.settle()
    engine.settle()
    assert engine.series("stats").status == "quarantined"
    assert sum(r.n for r in engine.results("gaps")) == 4


def test_a_failure_is_told_to_the_sinks_once() -> None:
    engine = Harness(
        plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)]), sinks=(Harness.sink("pager"),))
    )
    with pytest.MonkeyPatch.context() as broken:
        break_moments(broken)
        engine.send(3)
        engine.send(3)
        engine.settle()
    assert [e.kind for e in engine.waiting_events()] == ["component_failed"]


def test_a_store_that_fails_while_a_segment_is_named_quarantines_nobody() -> None:
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)], by=("region",))))
    engine.worker.enlist()

    def down(series_id: int, segment: str) -> str:
        raise OSError("the database is away")

    engine.worker.accumulator._name_segment = down
    with pytest.raises(SegmentsUnknown, match="the database is away"):
        engine.send(3)
    engine.time(20)
    engine.worker.adopt()
    engine.settle()
    assert engine.series("stats").status == "active"
    assert sum(r.n for r in engine.results("stats")) == 3


def test_a_batch_that_kills_three_workers_is_parked_and_its_neighbours_are_counted(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = MissingRate.add

    def add(component: MissingRate, state: State, batch: Batch) -> State:
        if (batch.inputs["x"].values == 666.0).any():
            raise Crash("killed by a row")
        return count(component, state, batch)

    monkeypatch.setattr(MissingRate, "add", add)
    deaths = 0

    def survive(step: object) -> None:
        nonlocal deaths
        try:
            step()  # type: ignore[operator]
        except Crash:
            deaths += 1

    engine.send(2)
    poison = rows(np.random.default_rng(1), [engine.store.time])
    poison = poison.with_inputs(x=dataclasses.replace(poison.inputs["x"], values=np.array([666.0])))
    survive(lambda: engine.send_batch(poison))
    survive(lambda: engine.send(3))
    for _ in range(6):
        engine.time(20)
        worker = engine.new_worker()
        survive(worker.adopt)
    assert deaths == 3
    with engine.store.read() as connection:
        left = connection.execute(select(batch_log)).all()
    assert [(row.poisoned, row.rows) for row in left] == [(True, 1)]
    engine.settle()
    assert sum(r.n for r in engine.results("gaps")) == 5


def test_an_attempt_at_another_workers_batch_is_refused(engine: Harness) -> None:
    engine.send(2)
    with engine.store.read() as connection:
        row = connection.scalar(select(batch_log.c.id))
    assert row is not None
    with pytest.raises(log.Fenced), engine.store.write() as connection:
        log.begin_attempt(connection, row, "somebody else")
    with engine.store.read() as connection:
        assert connection.scalar(select(batch_log.c.attempts)) == 0


def test_a_metric_that_raises_on_labels_is_quarantined_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from vedette.components.metrics.accuracy import Accuracy

    engine = Harness(
        plan_of(monitor("performance", metric("accuracy"), windows=[tumbling(10)]), sinks=(Harness.sink("pager"),))
    )
    ids = engine.send(3)
    engine.worker.checkpoint()

    def fail(*arguments: object) -> State:
        raise RuntimeError("no luck")

    monkeypatch.setattr(Accuracy, "add", fail)
    engine.label(dict.fromkeys(ids, "yes"))
    engine.settle()
    assert engine.series("performance").status == "quarantined"
    assert engine.series("performance").missing_rows == 3
    assert "component_failed" in [e.kind for e in engine.waiting_events()]
    with engine.store.read() as connection:
        assert labels.pending(connection, "m", engine.store.time + 1e6, 10) == []


class TestDelivery:
    """The outbox: tried again, in order, dead after a day, one sink apart from another."""

    def event(self, i: int, monitor_name: str = "stats") -> Event:
        return Event(f"id-{i}", "alert", "m", monitor_name, "", float(i), {"severity": "page"})

    @pytest.fixture
    def engine(self) -> Harness:
        return Harness(
            plan_of(
                monitor("stats", metric("moments"), windows=[tumbling(10)]),
                sinks=(Harness.sink("down"), Harness.sink("up")),
            )
        )

    def put(self, engine: Harness, *events: Event) -> None:
        with engine.store.write() as connection:
            for event in events:
                outbox.put(connection, engine.bundle.plan, event, engine.store.time)

    def deliver(self, engine: Harness, got: dict[str, list[str]], fails: set[str]) -> None:
        engine.deliver(lambda sink, event: got.setdefault(sink, []).append(event.id), fails)

    def test_retried_in_order_while_others_go_on(self, engine: Harness) -> None:
        got: dict[str, list[str]] = {}
        self.put(engine, *(self.event(i) for i in range(4)))
        for _ in range(4):
            self.deliver(engine, got, {"down"})
            engine.time(0.5)
        assert got == {"up": ["id-0", "id-1", "id-2", "id-3"]}
        for _ in range(4):
            engine.time(400)
            self.deliver(engine, got, set())
        assert got["down"] == ["id-0", "id-1", "id-2", "id-3"]

    def test_a_sink_that_is_down_for_long_starves_no_other(self, engine: Harness) -> None:
        got: dict[str, list[str]] = {}
        self.put(engine, *(self.event(i, f"m{i}") for i in range(700)))
        for _ in range(30):
            self.deliver(engine, got, {"down"})
        assert len(got["up"]) == 700

    def test_dead_after_a_day_then_the_next_one_is_tried(self, engine: Harness) -> None:
        got: dict[str, list[str]] = {}
        self.put(engine, self.event(1))
        self.deliver(engine, got, {"down"})
        engine.time(86_401.0)
        self.put(engine, self.event(2))
        self.deliver(engine, got, {"down"})
        with engine.store.read() as connection:
            dead = connection.execute(select(outbox_table).where(outbox_table.c.dead)).all()
        assert [(row.event_id, row.sink) for row in dead] == [("id-1", "down")]
        assert "down" in (dead[0].error or "")
        engine.time(10.0)
        self.deliver(engine, got, set())
        assert got["down"] == ["id-2"]

    def test_a_sink_that_takes_many_gets_them_at_once(self, engine: Harness) -> None:
        got: list[list[str]] = []
        self.put(engine, *(self.event(i, f"m{i}") for i in range(5)), self.event(5, "m0"))
        assert engine.deliver_many(lambda events: got.append([event.id for event in events])) == 12
        assert got == [[f"id-{i}" for i in range(5)]] * 2 + [["id-5"]] * 2, "of a monitor one after another; two sinks"
        assert engine.waiting_events() == []

    def test_one_event_that_cannot_be_taken_holds_up_no_other_of_its_batch(self, engine: Harness) -> None:
        got: dict[str, None] = {}

        def take(events: Sequence[Event]) -> None:
            if any(event.id == "id-2" for event in events):
                raise ValueError("id-2 is poison")
            got.update(dict.fromkeys(event.id for event in events))

        self.put(engine, *(self.event(i, f"m{i}") for i in range(5)))
        assert engine.deliver_many(take) == 8
        assert list(got) == ["id-0", "id-1", "id-3", "id-4"]
        assert {(row.event_id, row.attempts) for row in engine.waiting_events()} == {("id-2", 1)}

    def test_the_same_event_is_queued_once(self, engine: Harness) -> None:
        self.put(engine, self.event(1), self.event(1))
        assert len(engine.waiting_events()) == 2  # one a sink


def test_a_chained_monitor_goes_on_where_its_neighbour_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Harness(
        plan_of(
            monitor("stats", metric("moments"), windows=[tumbling(10)]),
            detector("outliers", "outlier", "mahalanobis"),
            monitor("strange", metric("missing_rate"), windows=[tumbling(10)], of="outliers.score"),
        )
    )
    break_moments(monkeypatch)
    engine.send(5)
    engine.settle()
    assert [r.n for r in engine.results("strange")] == [5]
    assert engine.series("strange").status == "active"
    stats = engine.series("stats").id
    with engine.store.read() as connection:
        assert panes.totals(connection, stats) == (0, 0)
