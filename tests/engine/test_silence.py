"""Rules about silence: from the last row, whatever the windows are, and from the deploy where none has come."""

from __future__ import annotations

import pytest
from tests.engine.harness import Harness
from tests.engine.traffic import bundle_of, metric, monitor, plan_of, tumbling

from vedette.config.plan import AlertSpec, MonitorSpec
from vedette.engine import lifecycle
from vedette.engine.reduce.reducer import Reducer
from vedette.plugins import get_registry

SILENT = AlertSpec("silent", "no_data(10m)")


def stats(seconds: float, **options: object) -> MonitorSpec:
    return monitor("stats", metric("moments"), windows=[tumbling(seconds)], **options)


def traffic(engine: Harness, minutes: float, every: float = 60.0) -> None:
    for _ in range(round(minutes * 60.0 / every)):
        engine.send(5)
        engine.time(every)
        engine.reduce(engine.store.time)


def quiet(engine: Harness, minutes: float) -> None:
    for _ in range(round(2 * minutes)):
        engine.time(30.0)
        engine.reduce(engine.store.time)


def changes(engine: Harness) -> list[tuple[str, float]]:
    """(state, minutes since the start)."""
    return [(a["state"], (a["time"] - engine.start) / 60.0) for a in engine.alerts()]


@pytest.mark.parametrize("window", [10.0, 3600.0])
def test_steady_traffic_is_no_silence_however_long_windows_are(window: float) -> None:
    engine = Harness(plan_of(stats(window), alerts=(SILENT,)))
    traffic(engine, 180.0)
    assert engine.results("stats")
    assert changes(engine) == []


@pytest.mark.parametrize("window", [10.0, 3600.0])
def test_silence_is_told_soon_after_it_has_lasted_and_ends_with_the_next_row(window: float) -> None:
    engine = Harness(plan_of(stats(window), alerts=(SILENT,)))
    traffic(engine, 90.0)
    quiet(engine, 30.0)
    traffic(engine, 5.0)
    (fired, at), (resolved, over) = changes(engine)
    assert (fired, resolved) == ("firing", "resolved")
    assert 99.0 <= at <= 100.5  # the last row came at minute 89
    assert 120.0 <= over <= 122.0


def test_a_monitor_that_has_seen_no_row_is_silent_since_its_deploy() -> None:
    engine = Harness(plan_of(stats(60.0), alerts=(SILENT,)))
    quiet(engine, 9.5)
    assert changes(engine) == []
    quiet(engine, 1.0)
    assert [state for state, _ in changes(engine)] == ["firing"]


def test_a_deploy_under_traffic_that_begins_a_series_is_no_silence() -> None:
    engine = Harness(plan_of(stats(60.0), alerts=(SILENT,)))
    traffic(engine, 30.0)
    engine.bundle = bundle_of(plan_of(stats(120.0), alerts=(SILENT,)))
    lifecycle.deploy(engine.store, engine.bundle)
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    engine.worker = engine.new_worker()
    traffic(engine, 30.0)
    assert changes(engine) == []


def test_rows_of_segments_break_it_too() -> None:
    engine = Harness(plan_of(stats(60.0, by=("region",)), alerts=(SILENT,)))
    traffic(engine, 30.0)
    assert changes(engine) == []


def test_a_monitor_of_labels_is_silent_where_predictions_come_without_labels() -> None:
    waiting = monitor("acc", metric("accuracy"), windows=[tumbling(60.0)])
    about = AlertSpec("unlabelled", "no_data(10m) and acc.accuracy >= 0")
    engine = Harness(plan_of(waiting, stats(60.0), alerts=(SILENT, about)))
    for _ in range(20):
        engine.label(dict.fromkeys(engine.send(5), "yes"))
        engine.time(60.0)
        engine.reduce(engine.store.time)
    assert engine.live() == []
    traffic(engine, 15.0)  # without labels
    assert engine.live() == [("unlabelled", "firing")]


def test_a_rule_that_reads_no_value_is_broken_by_any_row() -> None:
    engine = Harness(plan_of(stats(10.0), alerts=(SILENT,)))
    engine.send(40)
    engine.settle(60.0)
    assert len(engine.results("stats")) > 0
    assert engine.alerts() == []
    engine.settle(1000.0)
    assert engine.live() == [("silent", "firing")]
