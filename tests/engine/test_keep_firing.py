"""`keep_firing_for`: a firing alert stays until its rule has not held for so many evaluations, or for so long."""

from __future__ import annotations

import pytest
from tests.engine.harness import Harness
from tests.engine.traffic import AlertSpec, get_registry, metric, monitor, plan_of, tumbling

from vedette.engine.reduce.alerts import advance
from vedette.engine.reduce.reducer import Reducer
from vedette.store.results import AlertState

COUNT = AlertSpec("r", "x > 1", keep_count=3)
TIME = AlertSpec("r", "x > 1", keep_seconds=2.0)


def walk(rule: AlertSpec, *verdicts: bool | None, rows: int = 0, quiet_rows: int = 0) -> list[str]:
    state, changes = AlertState(), []
    for i, holds in enumerate(verdicts):
        state, change = advance(state, holds, float(i), rule, rows, quiet_rows)
        if change is not None:
            changes.append(f"{change}@{i}")
    return changes


def test_it_counts_evaluations_in_a_row() -> None:
    assert walk(COUNT, True, False, False, False) == ["firing@0", "resolved@3"]
    assert walk(COUNT, True, False, False, True, False, False, False) == ["firing@0", "resolved@6"]


def test_it_counts_event_time_from_the_first_evaluation_that_did_not_hold() -> None:
    assert walk(TIME, True, False, False, False) == ["firing@0", "resolved@3"]
    assert walk(TIME, True, False, True, False, False, False) == ["firing@0", "resolved@5"]


def test_unknown_neither_advances_nor_resets() -> None:
    assert walk(COUNT, True, False, None, None, False, None, False) == ["firing@0", "resolved@6"]


def test_with_for_both_ends_are_held() -> None:
    rule = AlertSpec("r", "x > 1", for_count=2, keep_count=2)
    assert walk(rule, True, True, False, True, False, False, True) == [
        "pending@0", "firing@1", "resolved@5", "pending@6",
    ]  # fmt: skip
    assert walk(rule, True, False, True, True) == ["pending@0", "pending@2", "firing@3"]


@pytest.mark.parametrize(("keep", "resolved"), [(2, "resolved@4"), (6, "resolved@6")])
def test_a_sequential_detector_needs_its_quiet_rows_and_the_time(keep: int, resolved: str) -> None:
    rule = AlertSpec("r", "alarm", keep_count=keep)
    changes = walk(rule, True, *[False] * 8, rows=250, quiet_rows=1000)
    assert changes == ["firing@0", resolved]


def test_it_survives_a_restart_of_the_reducer() -> None:
    rule = AlertSpec("high", 'mean("x") > 3', "stats", keep_seconds=20.0)
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)], alert=rule)))
    for shift in (9.0, 0.0, 0.0, 0.0):
        engine.send(5, shift=shift)
        engine.time(10.0)
        engine.reduce(engine.store.time)
        engine.reducer.close()
        engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    assert [(a["state"], a["time"] - engine.start) for a in engine.alerts()] == [("firing", 10.0), ("resolved", 40.0)]
