"""Processes of two deployments at work on one store: each row and label counts in the series that it belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.harness import Harness
from tests.engine.traffic import Bundle, Plan, bundle_of, by_rows, get_registry, metric, monitor, plan_of, tumbling

from vedette.engine.lifecycle import deploy
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.store import panes, series
from vedette.store.tables import bundles as bundles_table


def stats(span: float, use: str = "moments", **more: Any) -> Any:
    return monitor("stats", metric(use), windows=[tumbling(span)], **more)


class Two(Harness):
    """`old` is deployed at first; `deploy` makes `new` follow, whose worker and reducer are `worker2`, `reducer2`."""

    def __init__(self, old: Plan, new: Plan) -> None:
        super().__init__(replace(old, source={"deployment": 1}))
        self.fresh = bundle_of(replace(new, source={"deployment": 2}))

    def deploy(self) -> None:
        deploy(self.store, self.fresh)
        self.worker2 = WorkerCore(self.store, self.fresh, "default")
        self.reducer2 = Reducer(self.store, self.fresh, "default", get_registry())
        for one in (self.reducer, self.reducer2):  # test plans have no YAML to be read again
            one.bundles.known.update({b.digest: b for b in (self.bundle, self.fresh)})

    def hand_over(self) -> None:
        self.reducer.close()
        self.reducer, self.worker = self.reducer2, self.worker2

    def rows_of(self) -> list[tuple[int, int]]:
        """(rows, labelled rows) of every series, in order of id."""
        with self.store.read() as connection:
            return [panes.totals(connection, row.id) for row in series.all_series(connection, "m")]

    def last(self) -> series.Series:
        return self.series("stats")


def test_an_old_reducer_closes_a_new_series_in_its_own_ticks() -> None:
    engine = Two(plan_of(stats(1)), plan_of(stats(60)))
    engine.send(5)
    engine.time(2)
    engine.reduce()
    engine.deploy()
    engine.send(5, worker=engine.worker2)
    engine.worker2.checkpoint()
    engine.time(5)
    engine.reduce()  # the old process still holds the lease
    assert engine.last().closed <= engine.store.time / 60 + 1
    engine.hand_over()
    for _ in range(3):
        engine.time(60)
        engine.send(10)
        engine.reduce()
    engine.settle()
    assert engine.last().late_rows == 0
    new = [r.n for r in engine.results("stats") if r.series == engine.last().id]
    assert sum(new) == 35


def test_an_old_worker_that_begins_anew_counts_into_the_series_it_knows() -> None:
    engine = Two(plan_of(stats(10)), plan_of(stats(10, "missing_rate")))
    engine.send(3)
    engine.worker.checkpoint()
    engine.deploy()
    engine.worker.forget()
    engine.send(4)
    engine.worker.checkpoint()
    engine.send(5, worker=engine.worker2)
    engine.worker2.checkpoint()
    assert engine.rows_of() == [(7, 0), (5, 0)]
    engine.hand_over()
    engine.settle()
    assert sorted((r.n, *r.body["values"]) for r in engine.results("stats"))[0][:2] == (5, "missing_rate")


def test_rows_that_were_sent_to_both_pools_are_counted_once_in_a_series() -> None:
    other = monitor("other", metric("moments"), windows=[tumbling(10)], pool="heavy")
    engine = Two(plan_of(stats(10), other), plan_of(stats(10, pool="heavy"), other))
    engine.send(100)  # reaches the default pool before the move
    engine.worker.checkpoint()
    engine.deploy()
    heavy = WorkerCore(engine.store, engine.fresh, "heavy", keeps_predictions=False)
    engine.rng = np_rng()
    engine.seq = 0
    engine.send(100, worker=heavy)  # and the heavy one after it
    heavy.checkpoint()
    assert [rows for rows, _ in engine.rows_of()] == [100, 100, 100]
    assert engine.last().pool == "m/heavy"


def np_rng() -> Any:
    import numpy as np

    return np.random.default_rng(0)


class TestLabels:
    def engine(self) -> Two:
        accuracy = monitor("stats", metric("accuracy"), windows=[tumbling(10), by_rows(20)])
        plan = plan_of(accuracy)
        return Two(replace(plan, model_version="1"), replace(plan, model_version="2"))

    def test_labels_of_the_old_model_are_the_old_models(self) -> None:
        engine = self.engine()
        before = engine.send(30)
        engine.worker.checkpoint()
        engine.deploy()
        engine.label(dict.fromkeys(before, "yes"))
        engine.hand_over()
        after = engine.send(25)
        engine.worker.checkpoint()
        engine.label(dict.fromkeys(after, "yes"))
        engine.settle()
        assert engine.rows_of() == [(30, 30), (25, 25)]
        for result in engine.results("stats"):
            assert result.body["details"]["labels"]["coverage"] <= 1.0

    def test_a_corrected_label_of_the_old_model_changes_the_old_series_only(self) -> None:
        engine = self.engine()
        keys = engine.send(10)
        engine.worker.checkpoint()
        engine.label(dict.fromkeys(keys, "yes"))
        engine.reduce(engine.store.time + 100)
        engine.deploy()
        engine.hand_over()
        after = engine.send(10)
        engine.worker.checkpoint()
        engine.label(dict.fromkeys([*keys, *after], "no"))
        engine.settle()
        engine.time(5.0)
        engine.settle()
        assert engine.rows_of() == [(10, 10), (10, 10)]
        shares = {r.series: r.body["values"]["accuracy"] for r in engine.results("stats", "10s")}
        with engine.store.read() as connection:
            from vedette.store import predictions

            said = {
                block: batch.prediction.to_list()
                for block, batch in predictions.load(connection, [1, 2], engine.bundle.plan.schema).items()
                if batch.prediction is not None
            }
        assert list(shares.values()) == [pytest.approx(said[i].count("no") / 10) for i in (1, 2)]

    def test_labels_of_a_bundle_that_is_forgotten_are_counted_as_too_late(self) -> None:
        engine = self.engine()
        keys = engine.send(5)
        engine.worker.checkpoint()
        engine.deploy()
        engine.hand_over()
        with engine.store.write() as connection:
            connection.execute(bundles_table.delete().where(bundles_table.c.digest == engine.bundle.digest))
        engine.reducer.bundles.known.clear()
        engine.label(dict.fromkeys(keys, "yes"))
        engine.reduce()
        assert engine.rows_of() == [(5, 0), (0, 0)]
        from vedette.store import counters

        with engine.store.read() as connection:
            assert counters.totals(connection, "m")["labels_of_forgotten_bundles"] == 5


def test_a_bundle_runs_the_series_of_its_own_fingerprint_and_pool_only() -> None:
    from vedette.engine.running import runs

    engine = Two(plan_of(stats(10)), plan_of(stats(10, pool="heavy")))
    first = engine.last()
    both: list[Bundle] = [engine.bundle, engine.fresh]
    assert [runs(bundle, first) for bundle in both] == [True, False]
    engine.deploy()
    assert [runs(bundle, engine.last()) for bundle in both] == [False, True]
