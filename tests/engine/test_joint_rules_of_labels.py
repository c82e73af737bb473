"""A rule over several monitors judges every labelled window once, in whatever order they mature."""

from __future__ import annotations

import pytest
from tests.engine.harness import Harness, Key
from tests.engine.traffic import LabelsSpec, bundle_of, metric, monitor, plan_of, tumbling

from vedette.config.plan import AlertSpec
from vedette.engine import lifecycle
from vedette.engine.reduce.reducer import Reducer
from vedette.plugins import get_registry
from vedette.store import predictions, results
from vedette_specs.codec import decode

BAD = AlertSpec("bad", "acc.accuracy < 0.5")
FLIP = {"yes": "no", "no": "yes"}


def make() -> Harness:
    acc = monitor("acc", metric("accuracy"), windows=[tumbling(10)])
    return Harness(plan_of(acc, alerts=(BAD,), labels=LabelsSpec(within=1000.0, coverage=0.9)))


def windows(engine: Harness, n: int) -> list[list[Key]]:
    found = []
    for _ in range(n):
        found.append(engine.send(10))
        engine.time(10.0)
    engine.reduce(engine.store.time)
    return found


def label(engine: Harness, keys: list[Key], right: bool) -> None:
    answers: dict[Key, str] = {}
    with engine.store.read() as connection:
        for _, block in predictions.blocks_between(connection, "m", 0, 1e12, engine.bundle.plan.schema):
            assert block.prediction is not None
            rows = zip(block.ids.tolist(), block.rows.tolist(), block.prediction.to_list(), strict=True)
            answers |= {(str(i), int(row)): str(value) for i, row, value in rows}
    engine.label({key: answers[key] if right else FLIP[answers[key]] for key in keys})
    for _ in range(3):
        engine.reduce(engine.store.time)
        engine.time(2.0)


def changes(engine: Harness) -> list[tuple[str, float]]:
    return [(a["state"], a["details"]["window_end"] - engine.start) for a in engine.alerts()]


def test_a_window_that_matures_after_a_later_one_is_judged() -> None:
    engine = make()
    first, second, third = windows(engine, 3)
    label(engine, second, right=True)
    assert changes(engine) == []
    label(engine, first, right=False)
    assert changes(engine) == [("firing", 10.0)]
    label(engine, third, right=True)
    assert changes(engine) == [("firing", 10.0), ("resolved", 30.0)]


def test_each_window_is_judged_once_also_by_a_successor() -> None:
    engine = make()
    first, second, _ = windows(engine, 3)
    label(engine, second, right=False)
    label(engine, first, right=True)
    assert changes(engine) == [("firing", 20.0), ("resolved", 10.0)]
    engine.reducer.close()
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    for _ in range(5):
        engine.reduce(engine.store.time)
        engine.time(2.0)
    assert changes(engine) == [("firing", 20.0), ("resolved", 10.0)]


@pytest.mark.parametrize("change", [True, False])
def test_a_rule_that_becomes_one_of_another_kind_begins_with_a_memory_of_its_own(change: bool) -> None:
    seeks = AlertSpec("bad", "acc.accuracy", change="cusum", run_lengths={"": 100.0})
    before, after = (BAD, seeks) if change else (seeks, BAD)
    acc = monitor("acc", metric("accuracy"), windows=[tumbling(10)])
    plans = [plan_of(acc, alerts=(rule,), labels=LabelsSpec(within=1000.0, coverage=0.9)) for rule in (before, after)]
    engine = Harness(plans[0])
    label(engine, windows(engine, 1)[0], right=True)
    engine.bundle = bundle_of(plans[1])
    lifecycle.deploy(engine.store, engine.bundle)
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    engine.worker = engine.new_worker()
    for right in (True, False):
        label(engine, windows(engine, 1)[0], right)
    assert [state for state, _ in changes(engine)] == ([] if change else ["firing"])
    with engine.store.read() as connection:
        memory = results.get_alert_state(connection, "m", "bad", "", "").memory
    assert memory is not None
    assert ("key" in decode(memory)) is change
