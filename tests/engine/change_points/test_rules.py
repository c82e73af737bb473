"""Change rules in the engine: which windows are fed, when they alarm, what survives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.engine.faulty_store import Crash
from tests.engine.harness import Harness
from tests.engine.traffic import (
    AlertSpec,
    LabelsSpec,
    WindowSpec,
    bundle_of,
    by_rows,
    get_registry,
    metric,
    monitor,
    plan_of,
    sliding,
    tumbling,
)

from vedette.engine.change_points.watching import BURN_IN
from vedette.engine.lifecycle import deploy
from vedette.engine.reduce.reducer import Reducer
from vedette.store import results
from vedette_specs.codec import decode


def rule_of(window: WindowSpec, when: str = 'mean("x")', change: str = "cusum", **more: Any) -> AlertSpec:
    return AlertSpec("stats", when, "stats", change=change, run_lengths={window.name: 200.0}, **more)


def make(window: WindowSpec, url: str = "sqlite://", **more: Any) -> Harness:
    return Harness(plan_of(monitor("stats", metric("moments"), windows=[window], alert=rule_of(window, **more))), url)


def state(engine: Harness, window: str) -> results.AlertState:
    with engine.store.read() as connection:
        return results.get_alert_state(connection, "m", "stats", "", window)


def seen(engine: Harness, window: str) -> int:
    """Values that the rule's detector has ranked."""
    memory = state(engine, window).memory
    if memory is None:
        return 0
    found = decode(memory)
    return int(found["equal"].sum() + found["gaps"].sum())


def go(engine: Harness, windows: int, shift: float = 0.0, n: int = 5) -> None:
    for _ in range(windows):
        engine.send(n, shift=shift)
        engine.time(10.0)
        engine.reduce(engine.store.time)


@pytest.mark.parametrize("change", ["cusum", "page_hinkley", "conformal"])
def test_a_change_fires_once_and_is_resolved_when_its_successor_has_learnt(change: str) -> None:
    window = tumbling(10)
    engine = make(window, change=change)
    go(engine, 60)
    assert engine.alerts() == []
    go(engine, 40, shift=4.0)
    found = engine.alerts()
    assert [a["state"] for a in found] == ["firing", "resolved"]
    look = found[0]["details"]["change"]
    assert look["alarm"] is True
    assert look["statistic"] >= look["threshold"]
    assert look["direction"] == (None if change == "conformal" else "up")
    assert 60 < look["values"] < 90
    assert found[0]["value"] == pytest.approx(4.0, abs=2.0)
    assert found[0]["when"] == f'mean("x") has changed ({change})'
    assert found[1]["time"] - found[0]["time"] == 10.0 * (BURN_IN + 1)
    assert found[1]["details"]["change"]["restarts"] == 1


def test_memory_is_kept_on_every_kind_of_store(store_url: str) -> None:
    window = tumbling(10)
    engine = make(window, store_url)
    go(engine, 6)
    assert seen(engine, window.name) == 6
    engine.store.close()


def test_keep_firing_for_counts_after_the_burn_in() -> None:
    window = tumbling(10)
    engine = make(window, keep_count=3)
    go(engine, 40)
    go(engine, 40, shift=6.0)
    firing, resolved = engine.alerts()
    assert resolved["time"] - firing["time"] == 10.0 * (BURN_IN + 3)


def test_windows_that_overlap_the_last_one_that_was_fed_are_skipped() -> None:
    window = sliding(30, 10)
    engine = make(window)
    go(engine, 30)
    assert len(engine.results("stats")) >= 30
    assert seen(engine, window.name) == 10


def test_windows_by_rows_are_fed_when_they_are_all_new() -> None:
    window = by_rows(20, 5)
    engine = make(window)
    go(engine, 40)
    assert seen(engine, window.name) == 10


def test_unknown_values_are_skipped() -> None:
    window = tumbling(10, min_rows=3)
    engine = make(window)
    go(engine, 5)
    go(engine, 5, n=1)
    go(engine, 5)
    assert len(engine.results("stats")) == 15
    assert seen(engine, window.name) == 10


def test_memory_moves_with_the_state_and_survives_a_restart() -> None:
    window = tumbling(10)
    one, other = make(window), make(window)
    for engine in (one, other):
        go(engine, 40)
        go(engine, 20, shift=4.0)
    rough = make(window)
    for i in range(60):
        go(rough, 1, shift=4.0 if i >= 40 else 0.0)
        rough.reducer.close()
        rough.reducer = Reducer(rough.store, rough.bundle, "default", get_registry())
    looks = [[a["details"]["change"] for a in engine.alerts()] for engine in (one, other, rough)]
    assert looks[0]
    assert [a["time"] - one.start for a in one.alerts()] == [a["time"] - rough.start for a in rough.alerts()]
    assert looks[0][0]["values"] == looks[2][0]["values"]


def test_a_reducer_that_loses_its_lease_in_between_feeds_nothing_twice() -> None:
    window = tumbling(10)
    engine = make(window)
    go(engine, 10)
    engine.send(5)
    engine.time(10.0)
    engine.worker.checkpoint()
    for _ in range(3):  # the same tick is closed once, whoever tries
        assert engine.reducer.step(engine.store.time)
    assert seen(engine, window.name) == 11


@pytest.mark.parametrize("statement", range(1, 60, 6))
def test_a_reducer_that_dies_at_any_statement_feeds_nothing_twice(statement: int, tmp_path: Path) -> None:
    window = tumbling(10)
    engine = make(window, f"sqlite:///{tmp_path / 'store.db'}")
    go(engine, 3)
    engine.send(5)
    engine.time(10.0)
    engine.worker.checkpoint()
    engine.store.statements = statement
    with suppress(Crash):  # a late statement is never reached
        engine.reducer.step(engine.store.time)
    engine.store.heal()
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    engine.time(20.0)  # the dead one's lease ends
    engine.reduce(engine.store.time - 20.0)
    assert seen(engine, window.name) == 4


@pytest.mark.parametrize("changed", ["rule", "monitor", "nothing"])
def test_what_is_another_series_begins_anew(changed: str) -> None:
    window = tumbling(10)
    engine = make(window)
    go(engine, 10)
    rule = rule_of(window, when='sd("x")' if changed == "rule" else 'mean("x")')
    component = metric("moments", columns=["x"]) if changed == "monitor" else metric("moments")
    bundle = bundle_of(plan_of(monitor("stats", component, windows=[window], alert=rule)))
    deploy(engine.store, bundle)
    engine.bundle = bundle
    engine.worker = engine.new_worker()
    engine.reducer.close()
    engine.reducer = Reducer(engine.store, bundle, "default", get_registry())
    go(engine, 3)
    assert seen(engine, window.name) == (13 if changed == "nothing" else 3)


def test_segments_have_memories_of_their_own() -> None:
    window = tumbling(10)
    spec = monitor("stats", metric("moments"), windows=[window], alert=rule_of(window), by=("region",))
    engine = Harness(plan_of(spec))
    go(engine, 6, n=30)
    with engine.store.read() as connection:
        sizes = {
            segment: len(decode(found.memory or b"")["values"])
            for segment in ("region=eu", "region=us")
            if (found := results.get_alert_state(connection, "m", "stats", segment, "10s")).memory
        }
    assert sizes == {"region=eu": 6, "region=us": 6}


def test_labelled_windows_are_fed_when_they_are_mature_first() -> None:
    window = tumbling(10)
    rule = AlertSpec("acc", "accuracy", "acc", change="cusum", run_lengths={window.name: 100.0})
    plan = plan_of(monitor("acc", metric("accuracy"), windows=[window], alert=rule), labels=LabelsSpec(within=1000.0))
    engine = Harness(plan)
    batches: list[Mapping[Any, str]] = []
    for _ in range(4):
        batches.append(dict.fromkeys(engine.send(5), "yes"))
        engine.time(10.0)
        engine.reduce(engine.store.time)
    with engine.store.read() as connection:
        assert results.get_alert_state(connection, "m", "acc", "", "10s").memory is None
    for given in batches:
        engine.label(given)
        engine.reduce(engine.store.time)
    with engine.store.read() as connection:
        memory = results.get_alert_state(connection, "m", "acc", "", "10s").memory
    assert memory is not None
    assert decode(memory)["equal"].sum() == 4


def test_labelled_windows_that_mature_after_a_later_one_are_left_out_and_counted() -> None:
    window = tumbling(10)
    rule = AlertSpec("acc", "accuracy", "acc", change="cusum", run_lengths={window.name: 100.0})
    plan = plan_of(monitor("acc", metric("accuracy"), windows=[window], alert=rule), labels=LabelsSpec(within=1000.0))
    engine = Harness(plan)
    batches = [dict.fromkeys(engine.send(5, at=engine.store.time + 10.0 * i), "yes") for i in range(6)]
    engine.time(60.0)
    engine.reduce(engine.store.time)
    for i in (1, 0, 3, 2, 5, 4):
        engine.label(batches[i])
        engine.reduce(engine.store.time)
        engine.time(2.0)
        engine.reduce(engine.store.time)
    with engine.store.read() as connection:
        memory = results.get_alert_state(connection, "m", "acc", "", "10s").memory
    assert memory is not None
    found = decode(memory)
    assert (found["equal"].sum(), found["late"]) == (3, 3)


def test_a_rule_over_two_monitors_is_fed_once_for_all_that_it_reads() -> None:
    both = AlertSpec("gap", 'fast.mean("x") - slow.mean("x")', change="cusum", run_lengths={"": 100.0})
    plan = plan_of(
        monitor("fast", metric("moments"), windows=[tumbling(10)]),
        monitor("slow", metric("moments"), windows=[tumbling(30)]),
        alerts=(both,),
    )
    engine = Harness(plan)
    go(engine, 30)
    with engine.store.read() as connection:
        memory = results.get_alert_state(connection, "m", "gap", "", "").memory
    assert memory is not None
    assert 8 <= decode(memory)["equal"].sum() <= 10
