"""An alert of a segment that has no more rows ends a day later, and not before; sinks are told."""

from __future__ import annotations

from typing import Any

from tests.engine.harness import Harness
from tests.engine.traffic import LabelsSpec, metric, monitor, plan_of, tumbling

from vedette.config.plan import AlertSpec
from vedette.store import predictions

DAY = 86_400.0
HIGH = AlertSpec("stats", 'mean("x") > 3', "stats")


def live(engine: Harness) -> dict[str, Any]:
    """One step of a reducer that follows the clock, as it does while nobody sends; segment -> state."""
    engine.worker.checkpoint()
    engine.reducer.clock = lambda: engine.store.time
    engine.reducer.heard = 0.0
    assert engine.reducer.step(None, revise=True)
    assert engine.reducer.step(None, revise=True)
    return {a["segment"]: a["state"] for a in engine.alerts()}


def test_what_fires_without_another_row_is_resolved_after_a_day_and_its_window() -> None:
    spec = monitor("stats", metric("moments"), windows=[tumbling(3600.0)], alert=HIGH, by=("region",))
    engine = Harness(plan_of(spec, sinks=(Harness.sink("pager"),)))
    engine.send(40, shift=9.0)
    engine.time(3700.0)
    assert set(live(engine).values()) == {"firing"}
    engine.time(DAY)
    assert set(live(engine).values()) == {"firing"}
    engine.time(3700.0)
    assert set(live(engine).values()) == {"resolved"}
    assert engine.live() == []
    assert {a["details"]["reason"] for a in engine.alerts() if a["state"] == "resolved"} == {"no_data"}
    told: list[str] = []
    while engine.deliver(lambda _, event: told.append(event.payload["state"]) if event.kind == "alert" else None):
        pass
    assert sorted(told) == ["firing"] * (len(told) // 2) + ["resolved"] * (len(told) // 2)
    assert told
    engine.send(40, shift=9.0)
    engine.time(3700.0)
    assert set(live(engine).values()) == {"firing"}, "traffic that comes back is judged as ever"


def test_where_nobody_has_looked_in_a_long_pause_the_next_result_ends_the_old_alert_first() -> None:
    """So that a replay says what was said live."""
    spec = monitor("stats", metric("moments"), windows=[tumbling(3600.0)], alert=HIGH)
    engine = Harness(plan_of(spec))
    for _ in range(2):
        engine.send(40, shift=9.0)
        engine.time(3600.0)
        engine.reduce(engine.store.time)
        engine.time(3 * DAY)
    fired, over, again = engine.alerts()
    assert [a["state"] for a in (fired, over, again)] == ["firing", "resolved", "firing"]
    assert over["time"] == fired["time"] + DAY + 3600.0
    assert over["details"]["reason"] == "no_data"


def test_labels_that_may_still_come_are_waited_for() -> None:
    rule = AlertSpec("acc", "accuracy < 0.9", "acc")
    spec = monitor("acc", metric("accuracy"), windows=[tumbling(60.0)], alert=rule)
    engine = Harness(plan_of(spec, labels=LabelsSpec(within=7 * DAY, coverage=0.9)))
    keys = engine.send(10)
    engine.worker.checkpoint()
    with engine.store.read() as connection:
        ((_, block),) = list(predictions.blocks_between(connection, "m", 0, 1e12, engine.bundle.plan.schema))
    assert block.prediction is not None
    wrong = {"yes": "no", "no": "yes"}
    engine.label({key: wrong[str(value)] for key, value in zip(keys, block.prediction.to_list(), strict=True)})
    engine.time(120.0)
    assert live(engine) == {"": "firing"}
    engine.time(7.9 * DAY)
    assert live(engine) == {"": "firing"}
    engine.time(0.3 * DAY)
    assert live(engine) == {"": "resolved"}
