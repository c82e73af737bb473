"""Deploying, forgetting, and explain jobs: what is kept, what begins anew, what ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select
from tests.engine.harness import Harness
from tests.engine.traffic import (
    AlertSpec,
    ComponentSpec,
    ExplainSpec,
    LabelsSpec,
    Plan,
    bundle_of,
    by_rows,
    detector,
    get_registry,
    lifetime,
    metric,
    monitor,
    plan_of,
    reference,
    rows,
    sliding,
    tumbling,
)

from vedette.config.plan import ExplainerSpec
from vedette.engine.explain.explaining import Explaining, JobRunner
from vedette.engine.lifecycle import deploy, diff
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.reduce.retention import LATENESS, Retention, reach
from vedette.engine.work.core import WorkerCore
from vedette.store import jobs, series, waiting
from vedette.store.tables import panes as panes_table
from vedette.store.tables import predictions

DAY = 86_400.0


def stats(**more: Any) -> Any:
    return monitor("stats", metric("moments"), windows=[tumbling(10)], **more)


def actions(engine: Harness, plan: Plan, fitted_on: Any = None) -> dict[str, str]:
    bundle = bundle_of(plan, fitted_on=fitted_on)
    foreseen = {c.monitor: c.action for c in diff(engine.store, bundle)}
    done = {c.monitor: c.action for c in deploy(engine.store, bundle)}
    assert foreseen == done
    return {name: str(action) for name, action in done.items()}


class TestDeploy:
    def test_the_same_again_changes_nothing(self) -> None:
        engine = Harness(plan_of(stats(), detector("drift", "drift", "ks", tumbling(10))))
        before = engine.series("stats").id
        assert actions(engine, engine.bundle.plan) == {"stats": "keep", "drift": "keep"}
        assert engine.series("stats").id == before

    @pytest.mark.parametrize(
        ("changed", "action"),
        [
            (stats(alert=AlertSpec("a", 'mean("x") > 3', "stats")), "keep"),
            (monitor("stats", metric("moments"), windows=[tumbling(20)]), "restart"),  # another tick
            (monitor("stats", metric("moments"), windows=[tumbling(10), sliding(30, 10)]), "keep"),
            (monitor("stats", metric("moments", columns=["x"]), windows=[tumbling(10)]), "restart"),
            (stats(by=("region",)), "restart"),
            (stats(of="probabilities"), "restart"),
        ],
    )
    def test_what_restarts_a_monitor(self, changed: Any, action: str) -> None:
        assert actions(Harness(plan_of(stats())), plan_of(changed)) == {"stats": action}

    def test_another_reference_restarts_what_was_fitted_on_it(self) -> None:
        plan = plan_of(stats(), detector("drift", "drift", "ks", tumbling(10)))
        assert actions(Harness(plan), plan, reference(seed=99)) == {"stats": "keep", "drift": "restart"}

    def test_a_new_model_version_restarts_what_looks_at_the_model(self) -> None:
        performance = monitor("performance", metric("accuracy"), windows=[tumbling(10)])
        engine = Harness(plan_of(stats(), performance, model_version="1"))
        again = plan_of(stats(), performance, model_version="2")
        assert actions(engine, again) == {"stats": "keep", "performance": "restart"}

    def test_a_quarantined_monitor_starts_again(self) -> None:
        engine = Harness(plan_of(stats()))
        running = engine.series("stats").id
        with engine.store.write() as connection:
            series.quarantine(connection, running, "broke")
        assert actions(engine, engine.bundle.plan) == {"stats": "restart"}
        assert engine.series("stats").status == "active"

    def test_the_old_series_stays_readable_and_its_last_parts_are_merged(self) -> None:
        engine = Harness(plan_of(stats()))
        engine.send(3)
        engine.worker.checkpoint()
        old = engine.series("stats").id
        fresh = bundle_of(plan_of(monitor("stats", metric("moments", columns=["x"]), windows=[tumbling(10)])))
        deploy(engine.store, fresh)
        worker = WorkerCore(engine.store, fresh, "default")
        reducer = Reducer(engine.store, fresh, "default", get_registry())
        reducer.bundles.known[engine.bundle.digest] = engine.bundle
        engine.worker, engine.reducer = worker, reducer
        engine.send(2)
        engine.settle()
        found = {r.series: r.n for r in engine.results("stats")}
        assert found == {old: 3, engine.series("stats").id: 2}

    def test_retired_when_no_longer_declared(self) -> None:
        engine = Harness(plan_of(stats(), monitor("gaps", metric("missing_rate"), windows=[tumbling(10)])))
        assert actions(engine, plan_of(stats())) == {"stats": "keep", "gaps": "retire"}
        assert engine.series("gaps").status == "retired"

    def test_a_monitor_that_moves_to_another_pool_begins_anew(self) -> None:
        engine = Harness(plan_of(stats()))
        assert actions(engine, plan_of(stats(pool="heavy"))) == {"stats": "restart"}
        assert engine.series("stats").pool == "m/heavy"


class TestRetention:
    def count(self, engine: Harness, table: Any) -> int:
        with engine.store.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(table)) or 0)

    def test_only_what_no_window_needs_is_dropped(self) -> None:
        engine = Harness(plan_of(stats(), labels=LabelsSpec(within=DAY), retention=3 * DAY))
        for _ in range(8):
            engine.send(2)
            engine.time(DAY)
            engine.reduce(engine.store.time)
        dropped = Retention(engine.store, engine.bundle).step()
        kept = reach(engine.bundle.plan.monitors[0], engine.bundle.plan)
        assert kept == LATENESS + 10.0
        assert dropped["panes"] > 0
        assert dropped["blocks"] > 0
        with engine.store.read() as connection:
            first = connection.scalar(select(func.min(panes_table.c.tick)))
            oldest = connection.scalar(select(func.min(predictions.c.max_time)))
        assert first is not None
        assert oldest is not None
        assert engine.store.time - first * 10.0 <= kept + DAY
        assert oldest >= engine.store.time - 3 * DAY
        assert Retention(engine.store, engine.bundle).step()["panes"] == 0

    def test_rows_windows_keep_the_ticks_they_hold_however_old(self) -> None:
        engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[by_rows(6)])))
        engine.send(2)
        engine.time(10 * DAY)
        engine.send(2)
        engine.time(10 * DAY)
        engine.reduce(engine.store.time)
        Retention(engine.store, engine.bundle).step()
        engine.reducer.drop()
        engine.send(2)
        engine.time(10.0)
        engine.settle()
        assert [(r.n, r.start - engine.start) for r in engine.results("stats")] == [(6, 0.0)]

    def test_lifetimes_keep_all(self) -> None:
        engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[lifetime(every=10.0)])))
        engine.send(2)
        engine.time(400 * DAY)
        engine.reduce(engine.store.time)
        assert Retention(engine.store, engine.bundle).step()["panes"] == 0

    def test_a_replay_of_old_rows_loses_nothing(self) -> None:
        """Event time is years behind the clock: nothing of it is old."""
        engine = Harness(plan_of(stats()))
        engine.store.time += 3000 * DAY
        engine.worker.clock = engine.reducer.clock = lambda: engine.start + 100.0
        for i in range(6):
            engine.send(2, at=engine.start + 10.0 * i)
            engine.reduce(engine.start + 10.0 * i)
            Retention(engine.store, engine.bundle).step()
        engine.reduce(engine.start + 1000.0)
        assert [r.n for r in engine.results("stats")] == [2] * 6
        assert engine.series("stats").late_rows == 0
        assert self.count(engine, predictions) == 6

    def test_rows_whose_pane_is_gone_are_counted_as_late_and_change_nothing(self) -> None:
        engine = Harness(plan_of(stats(), labels=LabelsSpec(within=DAY)))
        engine.send(2)
        engine.time(10 * DAY)
        engine.send(2)
        engine.time(100.0)
        engine.reduce(engine.store.time)
        Retention(engine.store, engine.bundle).step()
        before = [(r.end, r.n) for r in engine.results("stats")]
        engine.send(5, at=engine.start)
        engine.reduce(engine.store.time)
        assert [(r.end, r.n) for r in engine.results("stats")] == before
        assert engine.series("stats").late_rows == 5
        with engine.store.read() as connection:
            assert not any(one.parts for one in waiting.of_pool(connection, "m", "m/default", 0.0))


class TestExplainJobs:
    def engine(self, at_most: int = 3) -> Harness:
        outliers = detector(
            "outliers", "outlier", "mahalanobis", fdr=0.3, explain=ExplainSpec("why", at_most=at_most, per=60.0),
            options={"columns": ["x"]},
        )  # fmt: skip
        why = ExplainerSpec("why", ComponentSpec("explainer", "kernel_shap", {}, "kernel_shap"))
        return Harness(plan_of(outliers, explainers=(why,)))

    def strange(self, engine: Harness, n: int) -> None:
        batch = rows(engine.rng, np.full(n, engine.store.time), [(f"s{engine.seq}", i) for i in range(n)], shift=50.0)
        engine.send_batch(batch)
        engine.time(2.0)
        engine.reduce(engine.store.time)

    def waiting(self, engine: Harness) -> int:
        with engine.store.read() as connection:
            return jobs.depth(connection, "m")

    def test_jobs_are_made_within_their_budget(self) -> None:
        engine = self.engine()
        self.strange(engine, 10)
        assert self.waiting(engine) == 3
        self.strange(engine, 10)
        assert self.waiting(engine) == 3
        engine.time(61.0)
        self.strange(engine, 10)
        assert self.waiting(engine) == 6

    def test_claimed_by_one_answered_once(self) -> None:
        engine = self.engine(at_most=2)
        self.strange(engine, 4)
        runners = [JobRunner(engine.store, Explaining(engine.bundle), lambda spec: True) for _ in range(2)]
        assert [runner.step() for runner in runners] == [2, 0]
        with engine.store.read() as connection:
            done = jobs.listed(connection, "m")
        assert [(job["status"], job["tries"]) for job in done] == [("done", 1)] * 2
        assert done[0]["result"]["meta"]["name"]

    def test_a_claimer_that_dies_is_followed_three_times(self) -> None:
        engine = self.engine(at_most=1)
        self.strange(engine, 4)
        claims = []
        for _ in range(5):
            with engine.store.write() as connection:
                claims.append(len(jobs.claim(connection, "m", "x", engine.store.time, 10.0, 5, ["why"])))
            engine.time(11.0)
        assert claims == [1, 1, 1, 0, 0]
        with engine.store.read() as connection:
            (job,) = jobs.listed(connection, "m")
        assert (job["status"], job["error"]) == ("failed", "none of 3 replicas lived to answer")


def test_a_chained_monitor_reads_its_sources_score() -> None:
    engine = Harness(
        plan_of(
            detector("outliers", "outlier", "mahalanobis", options={"columns": ["x"]}),
            monitor("scores", metric("moments"), windows=[tumbling(10)], of="outliers.score"),
        )
    )
    batch = rows(np.random.default_rng(4), np.full(30, engine.store.time))
    engine.send_batch(batch)
    engine.settle()
    flags: Any = engine.bundle.metric("outliers", "mahalanobis")
    scores = flags.detector.score_batch(batch)
    (found,) = engine.results("scores")
    assert found.body["values"]["mean"]["score"] == pytest.approx(float(np.nanmean(scores)))
    assert found.body["values"]["max"]["score"] == pytest.approx(float(np.nanmax(scores)))


def test_outliers_of_a_tick_are_flagged_together_however_they_were_batched() -> None:
    shifted = rows(np.random.default_rng(4), np.full(40, 1_000_000.25), [(f"r{i}", 0) for i in range(40)])
    values = np.array(shifted.inputs["x"].values)
    values[:4] = [30.0, -40.0, 50.0, 60.0]
    from vedette_specs.columns import numeric

    shifted = shifted.with_inputs(x=numeric(values))
    found = []
    for pieces in (1, 40):
        engine = Harness(plan_of(detector("outliers", "outlier", "mahalanobis", options={"columns": ["x"]})))
        workers = [engine.worker, engine.new_worker()]
        for i, part in enumerate(np.array_split(np.arange(40), pieces)):
            engine.send_batch(shifted.take(part), workers[i % 2])
        workers[1].checkpoint()
        engine.settle()
        (result,) = engine.results("outliers")
        found.append((result.body["values"]["flagged"], result.body["details"]))
    assert found[0][0] >= 4
    assert found[0] == found[1]
