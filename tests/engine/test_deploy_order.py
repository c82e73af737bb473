"""Deploys that meet: the first of two, series locked in one order, results of retired series, failures summed."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import Connection, event, func, select
from tests.engine.harness import Harness
from tests.engine.traffic import AlertSpec, bundle_of, metric, monitor, plan_of, tumbling

from vedette.engine.failures import report_failures
from vedette.engine.lifecycle import deploy
from vedette.engine.work.accumulate import Failure
from vedette.store import series
from vedette.store.database import Store
from vedette.store.tables import deployments
from vedette.store.tables import series as series_table


def stats(name: str = "stats", **more: object) -> object:
    return monitor(name, metric("moments"), windows=[tumbling(10)], **more)


def test_two_first_deploys_start_each_monitor_once(store_url: str) -> None:
    """The later one waits for the first and then finds everything as it wants it."""
    bundle = bundle_of(plan_of(stats(), stats("more")))  # type: ignore[arg-type]
    stores = [Store(store_url) for _ in range(2)]
    actions: list[list[str]] = []
    with stores[0].write() as first:
        assert series.deployed(first, "m", lock=True) is None
        late = threading.Thread(target=lambda: actions.append([c.action for c in deploy(stores[1], bundle)]))
        late.start()
        time.sleep(0.3)
        assert actions == []
        assert first.scalar(select(func.count()).select_from(series_table)) == 0
    late.join(20.0)
    actions.append([c.action for c in deploy(stores[0], bundle)])
    assert actions == [["start", "start"], ["keep", "keep"]]
    with stores[0].read() as connection:
        assert connection.scalar(select(func.count()).select_from(series_table)) == 2
    for store in stores:
        store.close()


def test_a_deploy_that_fails_leaves_no_deployment(store_url: str) -> None:
    store = Store(store_url)
    with store.write() as connection:
        series.deployed(connection, "m", lock=True)
        connection.rollback()
    with store.write() as connection:
        assert series.deployed(connection, "m") is None
        assert connection.execute(select(deployments)).all() == []
        assert series.deployed(connection, "m", lock=True) is None
        series.deploy(connection, "m", "d1", 5.0)
        assert series.deployed(connection, "m", lock=True) == "d1"
    store.close()


def test_a_deploy_writes_series_in_order_of_id_and_none_that_stays() -> None:
    engine = Harness(plan_of(*(stats(name) for name in ("c", "a", "b", "d"))))  # type: ignore[arg-type]
    ids = {name: engine.series(name).id for name in "abcd"}
    written: list[int] = []

    def watch(connection: object, cursor: object, statement: str, values: tuple[object, ...], *rest: object) -> None:
        if statement.startswith("UPDATE series SET status"):
            written.extend(v for v in values if isinstance(v, int))

    event.listen(engine.store.engine, "before_cursor_execute", watch)
    coarse = [monitor(name, metric("moments"), windows=[tumbling(20)]) for name in ("b", "c")]
    changes = deploy(engine.store, bundle_of(plan_of(*coarse, stats("d"))))  # type: ignore[arg-type]
    assert {c.monitor: c.action for c in changes} == {"b": "restart", "c": "restart", "d": "keep", "a": "retire"}
    assert written == sorted([ids["a"], ids["b"], ids["c"]])


def test_failures_are_summed_a_series_and_told_once_in_order_of_id() -> None:
    plan = plan_of(stats("b"), stats("a"), sinks=(Harness.sink("pager"),))  # type: ignore[arg-type]
    engine = Harness(plan)
    b, a = engine.series("b").id, engine.series("a").id
    found = [Failure(a, "a", "", 3), Failure(b, "b", "broke", 2), Failure(a, "a", "burst", 1), Failure(b, "b", "", 5)]
    touched: list[int] = []
    with pytest.MonkeyPatch.context() as watched, engine.store.write() as connection:
        add = series.add_missing

        def watch(connection: Connection, number: int, rows: int) -> None:
            touched.append(number)
            add(connection, number, rows)

        watched.setattr(series, "add_missing", watch)
        report_failures(connection, engine.bundle, found, engine.store.time)
        report_failures(connection, engine.bundle, found[:1], engine.store.time)
    assert touched == [*sorted([a, b]), a]
    rows = {name: engine.series(name) for name in "ab"}
    assert {name: (row.missing_rows, row.status) for name, row in rows.items()} == {
        "a": (7, "quarantined"), "b": (7, "quarantined"),
    }  # fmt: skip
    assert (rows["a"].reason, rows["b"].reason) == ("burst", "broke")
    assert [e.kind for e in engine.waiting_events()] == ["component_failed"] * 2
    assert [failure.rows for failure in found] == [3, 2, 1, 5]


def test_a_rule_over_monitors_reads_nothing_of_a_retired_series() -> None:
    rule = AlertSpec("high", 'stats.mean("x") > 3')
    engine = Harness(plan_of(stats(), alerts=(rule,)))  # type: ignore[arg-type]
    engine.send(5, shift=9.0)
    engine.time(10.0)
    engine.reduce(engine.store.time)
    assert [a["state"] for a in engine.alerts()] == ["firing"]
    fresh = bundle_of(plan_of(monitor("stats", metric("moments"), windows=[tumbling(20)]), alerts=(rule,)))
    deploy(engine.store, fresh)
    before = len(engine.alerts())
    from vedette.engine.reduce.cross_alerts import CrossAlerts

    cross = CrossAlerts(engine.store, fresh, hooks=False)
    assert engine.reducer.lease is not None
    cross.step(engine.reducer.lease, engine.store.time)
    assert len(engine.alerts()) == before
    assert cross._seen == {}
