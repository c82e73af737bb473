"""What retention forgets, what it must keep, in how many transactions, and under which lease."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select
from tests.engine.harness import Harness
from tests.engine.traffic import LabelsSpec, bundle_of, detector, metric, monitor, plan_of, tumbling

import vedette
from vedette.engine.lifecycle import deploy
from vedette.engine.reduce import retention
from vedette.engine.reduce.closing import SeriesReducer
from vedette.engine.reduce.retention import Retention
from vedette.engine.work.worker import WorkerSettings
from vedette.store import forgetting, labels, leases, results, series
from vedette.store.leases import LeaseLost
from vedette.store.tables import batch_log, bundles, memories, outbox, panes, predictions, recomputes, segments
from vedette.store.tables import labels as labels_table

DAY = 86_400.0


def engine_of(**more: Any) -> Harness:
    spec = monitor("performance", metric("accuracy"), windows=[tumbling(10)])
    return Harness(plan_of(spec, labels=LabelsSpec(within=DAY), retention=3 * DAY, **more))


def count(engine: Harness, table: Any) -> int:
    with engine.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def requests(engine: Harness) -> list[str]:
    with engine.store.read() as connection:
        return list(connection.scalars(select(labels_table.c.request).order_by(labels_table.c.id)))


def forget(engine: Harness) -> dict[str, int]:
    return Retention(engine.store, engine.bundle).step()


def test_labels_go_after_their_predictions_and_never_before() -> None:
    engine = engine_of()
    for _ in range(9):
        engine.label({(f"r{engine.seq + 1}", 0): "yes"})  # before its prediction
        key = engine.send(1)[0]
        engine.label({key: "no"})
        engine.label({(f"lost{engine.seq}", 0): "yes"})
        engine.time(DAY)
        engine.reduce(engine.store.time)
        forget(engine)
        with engine.store.read() as connection:
            kept = set(connection.scalars(select(predictions.c.seq)))
        assert {f"r{seq}" for seq in kept} <= set(requests(engine))
    assert 0 < len(kept) < 9
    assert "r1" not in requests(engine)
    assert "lost1" not in requests(engine)
    assert len(requests(engine)) <= 3 * (len(kept) + 2)


def test_a_replay_of_old_rows_keeps_its_labels() -> None:
    """The labels came long before today, but what they are about is not old by the replay's clock."""
    engine = engine_of()
    engine.store.time += 3000 * DAY
    engine.worker.clock = engine.reducer.clock = lambda: engine.start + 100.0
    ids = engine.send(2, at=engine.start)
    engine.label(dict.fromkeys(ids, "yes"))
    engine.reduce(engine.start + 100.0)
    engine.time(100 * DAY)
    assert forget(engine)["labels"] == 0
    assert len(requests(engine)) == 2


def test_all_that_is_old_goes_in_one_step_by_many_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of()
    for _ in range(12):
        key = engine.send(1)[0]
        engine.label({key: "yes"})
    engine.settle(100.0)
    engine.time(30 * DAY)
    engine.send(1)
    engine.time(100.0)
    engine.reduce(engine.store.time)
    monkeypatch.setattr(retention, "LIMIT", 5)
    rounds: list[int] = []
    drop = forgetting.drop_labels

    def watch(*arguments: Any) -> int:
        rounds.append(drop(*arguments))
        return rounds[-1]

    monkeypatch.setattr(forgetting, "drop_labels", watch)
    dropped = forget(engine)
    assert (dropped["blocks"], dropped["labels"], rounds) == (12, 12, [5, 5, 2])
    assert (count(engine, predictions), count(engine, labels_table)) == (1, 0)


def test_dead_letters_and_parked_batches_go_when_they_are_old() -> None:
    engine = engine_of(sinks=(Harness.sink("pager"),))
    row = {
        "model": "m", "sink": "pager", "key": "k", "kind": "alert", "body": "{}", "attempts": 1, "next_at": 0.0,
    }  # fmt: skip
    batch = {
        "pool": "m/default", "producer": "p", "owner": "", "rows": 1, "min_time": 0.0, "model_version": "",
        "attempts": 3, "blob": b"",
    }  # fmt: skip
    now = engine.store.time
    with engine.store.write() as connection:
        for name, created, dead in (("old", now - 4 * DAY, True), ("new", now, True), ("waits", now - 4 * DAY, False)):
            connection.execute(outbox.insert().values(**row, event_id=name, created=created, dead=dead))
        for seq, received, poisoned in ((1, now - 4 * DAY, True), (2, now, True), (3, now - 4 * DAY, False)):
            connection.execute(batch_log.insert().values(**batch, seq=seq, received=received, poisoned=poisoned))
        other = {**batch, "pool": "m2/default", "seq": 1, "received": 0.0, "poisoned": True}
        connection.execute(batch_log.insert().values(**other))
    dropped = forget(engine)
    assert (dropped["events"], dropped["poisoned"]) == (1, 1)
    with engine.store.read() as connection:
        assert set(connection.scalars(select(outbox.c.event_id))) == {"new", "waits"}
        left = connection.execute(select(batch_log.c.pool, batch_log.c.seq)).all()
    assert {tuple(item) for item in left} == {("m/default", 2), ("m/default", 3), ("m2/default", 1)}


class TestRetired:
    def engine(self) -> Harness:
        engine = Harness(
            plan_of(
                monitor("stats", metric("moments"), windows=[tumbling(10)], by=("region",)),
                detector("change", "change", "conformal"),
                labels=LabelsSpec(within=DAY),
                retention=3 * DAY,
            )
        )
        for _ in range(3):
            engine.send(20)
            engine.time(10.0)
            engine.reduce(engine.store.time)
        stats = engine.series("stats").id
        with engine.store.write() as connection:
            labels.ask_recompute(connection, stats, 1, engine.store.time)
            results.put_memory(connection, stats, "fold:", 1, {"sum": 1.0})
        return engine

    def test_what_a_series_held_goes_when_it_is_retired_long_enough(self) -> None:
        engine = self.engine()
        old = engine.bundle
        gaps = monitor("gaps", metric("missing_rate"), windows=[tumbling(10)])
        fresh = bundle_of(plan_of(gaps, labels=LabelsSpec(within=DAY), retention=3 * DAY))
        deploy(engine.store, fresh)
        keeper = Retention(engine.store, fresh)
        tables = (panes, segments, memories, recomputes)
        before = [count(engine, table) for table in tables]
        assert all(before)
        engine.time(2 * DAY)
        assert keeper.step()["retired"] == 0
        assert [count(engine, table) for table in tables] == before
        assert count(engine, bundles) == 2
        engine.time(2 * DAY)
        dropped = keeper.step()
        assert (dropped["retired"], dropped["panes"]) == (sum(before[1:]), before[0])
        assert [count(engine, table) for table in tables] == [0, 0, 0, 0]
        assert dropped["bundles"] == 1
        with engine.store.read() as connection:
            assert series.get_bundle(connection, old.digest) is None
            assert series.get_bundle(connection, fresh.digest) is not None

    def test_a_bundle_that_a_running_series_began_with_stays(self) -> None:
        engine = self.engine()
        first = engine.bundle.digest
        more = [*engine.bundle.plan.monitors, monitor("gaps", metric("missing_rate"), windows=[tumbling(10)])]
        second = bundle_of(plan_of(*more, retention=3 * DAY))
        deploy(engine.store, second)
        engine.time(40 * DAY)
        assert Retention(engine.store, second).step()["bundles"] == 0
        with engine.store.read() as connection:
            assert series.get_bundle(connection, first) is not None

    def test_another_models_series_are_left_alone(self) -> None:
        engine = self.engine()
        with engine.store.write() as connection:
            theirs = series.start(connection, "m2", "stats", "m2/default", "f", "d2", 1.0, 0.0)
            series.put_bundle(connection, "d2", "m2", b"", 0.0)
            series.retire(connection, theirs, "gone", 1.0)
            series.set_segment_rows(connection, theirs, "eu", 3, 1)
        engine.time(40 * DAY)
        dropped = forget(engine)
        assert (dropped["retired"], dropped["bundles"]) == (0, 0)


class TestLease:
    def test_who_has_lost_the_lease_forgets_nothing(self) -> None:
        engine = engine_of()
        engine.send(2)
        engine.time(100.0)
        engine.reduce(engine.store.time)
        mine = engine.reducer.lease
        assert mine is not None
        engine.time(30 * DAY)
        with engine.store.write() as connection:
            other = leases.acquire(connection, mine.pool, 0, "other", engine.store.time, 10.0)
        assert other is not None
        before = count(engine, predictions)
        with pytest.raises(LeaseLost):
            Retention(engine.store, engine.bundle).step(mine)
        assert count(engine, predictions) == before
        assert "blocks" in Retention(engine.store, engine.bundle).step(other)

    def test_who_has_lost_the_lease_quarantines_nobody(self) -> None:
        engine = engine_of()
        engine.reduce(engine.store.time)
        mine = engine.reducer.lease
        assert mine is not None
        row = engine.series("performance")
        reducer = SeriesReducer(engine.store, engine.bundle, engine.bundle.plan.monitors[0], row.id, True)
        engine.time(100.0)
        with engine.store.write() as connection:
            other = leases.acquire(connection, mine.pool, 0, "other", engine.store.time, 10.0)
        with pytest.raises(LeaseLost):
            reducer.quarantine("broke", mine)
        assert engine.series("performance").status == "active"
        reducer.quarantine("broke", other)
        assert engine.series("performance").status == "quarantined"


def test_a_session_in_event_time_forgets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(
        "version: 1\nmodel: {name: m}\nschema: {task: none, features: {x: numeric}}\nstore: 'sqlite://'\n"
        "retention: 1d\nmonitors: {stats: {metrics: [moments], window: {span: 1d, every: 1d}}}\n"
    )
    eager = WorkerSettings(reduce_every=0.02, deliver_every=0.02, retain_every=0.02)
    with vedette.Session("m.yaml", event_time=True, settings=eager) as session:
        for day in range(40):
            session.log({"x": np.arange(5.0)}, time=1.7e9 + 86_400.0 * day)
            session.flush()
        session.finish()
        assert len(session.results("stats")) == 40
