"""Labels that come early, late, twice or corrected; maturity; alerts from pending to resolved."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from tests.engine.harness import Harness
from tests.engine.traffic import (
    AlertSpec,
    LabelsSpec,
    by_rows,
    detector,
    metric,
    monitor,
    plan_of,
    tumbling,
)

from vedette.engine.lifecycle import deploy
from vedette.engine.reduce.alerts import advance
from vedette.store import labels
from vedette.store.results import AlertState
from vedette.store.tables import labels as labels_table


def performance(within: float = 1000.0, **more: Any) -> Harness:
    spec = monitor("performance", metric("accuracy"), windows=[tumbling(10)], **more)
    return Harness(plan_of(spec, labels=LabelsSpec(within=within, coverage=0.9)))


def accuracy(engine: Harness) -> list[float | None]:
    return [r.body["values"]["accuracy"] for r in engine.results("performance")]


def states(engine: Harness) -> list[str]:
    with engine.store.read() as connection:
        return list(connection.scalars(select(labels_table.c.state).order_by(labels_table.c.id)))


def right(engine: Harness, n: int) -> dict[tuple[str, int], str]:
    """Rows just sent, with labels that agree with their predictions."""
    keys = engine.send(n)
    answers = engine.worker.pending[-1].batch.prediction
    assert answers is not None
    return dict(zip(keys, answers.to_list(), strict=True))


def wrong(values: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    return {key: "no" if value == "yes" else "yes" for key, value in values.items()}


def test_labels_after_and_before_their_predictions() -> None:
    engine = performance()
    engine.label({("r2", i): "yes" for i in range(2)})
    given = right(engine, 3)
    engine.reduce()
    engine.label(given)
    later = right(engine, 2)
    engine.reduce()
    engine.time(100.0)
    engine.settle()
    assert states(engine) == ["applied"] * 5
    expected = (3 + sum(v == "yes" for v in later.values())) / 5
    assert accuracy(engine) == [pytest.approx(expected)]


def test_a_label_before_its_prediction_is_no_error_and_is_given_up_after_within() -> None:
    engine = performance(within=1000.0)
    engine.label({("never", 0): "yes"})
    engine.reduce()
    assert states(engine) == ["pending"]
    engine.time(1001.0)
    engine.reduce()
    assert states(engine) == ["unmatched"]


def test_a_duplicate_changes_nothing_and_a_correction_recomputes() -> None:
    engine = performance()
    given = right(engine, 4)
    engine.label(given)
    engine.settle()
    revision = engine.results("performance")[0].revision
    engine.label(given)
    engine.settle()
    assert engine.results("performance")[0].revision == revision
    assert sorted(states(engine)) == ["applied"] * 4 + ["superseded"] * 4
    engine.label(wrong(dict(list(given.items())[:1])))
    engine.settle()
    assert accuracy(engine) == [0.75]
    assert engine.results("performance")[0].body["details"]["labels"]["labelled"] == 4


def test_an_older_label_that_waited_never_replaces_a_newer_one() -> None:
    engine = performance()
    engine.label({("r1", 0): "no"})
    for _ in range(8):
        engine.reduce()
        engine.time(5.0)
    keys = engine.send(1)
    engine.worker.checkpoint()
    engine.label({keys[0]: "yes"})
    engine.reduce()
    assert states(engine) == ["pending", "applied"]
    engine.time(100.0)
    engine.settle()
    assert states(engine) == ["superseded", "applied"]


def test_many_labels_of_one_row_settle_in_one_step_to_the_last() -> None:
    engine = performance()
    given = right(engine, 1)
    for _ in range(3):
        engine.label(wrong(given))
        engine.label(given)
    engine.settle()
    assert accuracy(engine) == [1.0]
    assert states(engine) == ["superseded"] * 5 + ["applied"]


def test_a_correction_before_its_tick_closes() -> None:
    engine = performance()
    given = right(engine, 2)
    engine.label(wrong(given))
    engine.reduce()
    engine.label(given)
    engine.reduce()
    engine.time(5.0)
    engine.settle()
    assert accuracy(engine) == [1.0]


def test_windows_mature_by_coverage_or_by_time() -> None:
    engine = performance(within=1000.0)
    given = right(engine, 10)
    engine.time(20.0)
    engine.reduce(engine.store.time)
    assert [r.status for r in engine.results("performance")] == ["immature"]
    engine.label(dict(list(given.items())[:8]))
    engine.reduce(engine.store.time)
    found = engine.results("performance")[0]
    facts = found.body["details"]["labels"]
    assert (found.status, facts["coverage"], facts["predictions"], facts["mature"]) == ("immature", 0.8, 10, False)
    assert facts["lag"] == pytest.approx(20.0)
    engine.label(dict(list(given.items())[8:9]))
    engine.reduce(engine.store.time)
    assert engine.results("performance")[0].status == "ok"
    engine = performance(within=1000.0)
    given = right(engine, 10)
    engine.label(dict(list(given.items())[:2]))
    engine.reduce(engine.start + 500.0)
    assert [r.status for r in engine.results("performance")] == ["immature"]
    engine.reduce(engine.start + 1010.0)
    assert [(r.status, r.n) for r in engine.results("performance")] == [("ok", 2)]


def test_a_window_is_judged_when_it_is_mature_and_then_never_again() -> None:
    rule = AlertSpec("performance", "accuracy < 0.5", "performance")
    engine = performance(alert=rule)
    given = right(engine, 10)
    engine.time(20.0)
    engine.reduce(engine.store.time)
    assert engine.alerts() == []
    engine.label(wrong(given))
    engine.reduce(engine.store.time)
    assert [a["state"] for a in engine.alerts()] == ["firing"]
    engine.label(given)  # a correction: the window was judged
    engine.time(5.0)
    engine.reduce(engine.store.time)
    assert accuracy(engine) == [1.0]
    assert [a["state"] for a in engine.alerts()] == ["firing"]


RULE = AlertSpec("r", "x > 1", for_count=3)


def walk(rule: AlertSpec, *verdicts: bool | None) -> list[str | None]:
    state = AlertState()
    changes: list[str | None] = []
    for i, holds in enumerate(verdicts):
        state, change = advance(state, holds, float(i), rule)
        changes.append(change)
    return changes


def test_for_counts_evaluations() -> None:
    assert walk(RULE, True, True, True, True, False) == ["pending", None, "firing", None, "resolved"]
    assert walk(RULE, True, True, False, True, True, True) == ["pending", None, None, "pending", None, "firing"]


def test_unknown_neither_advances_nor_resets() -> None:
    assert walk(RULE, True, None, True, None, True, None, False) == [
        "pending", None, None, None, "firing", None, "resolved",
    ]  # fmt: skip


def test_for_counts_event_time() -> None:
    rule = AlertSpec("r", "x > 1", for_seconds=2.0)
    assert walk(rule, True, True, True, True) == ["pending", None, "firing", None]
    assert walk(AlertSpec("r", "x > 1"), True, False) == ["firing", "resolved"]


def moving(rule: AlertSpec, **more: Any) -> Harness:
    return Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10, min_rows=2)], alert=rule, **more)))


def test_an_alert_goes_its_way() -> None:
    engine = moving(AlertSpec("high", 'mean("x") > 3', "stats", for_count=2))
    for shift, n in ((9.0, 5), (9.0, 1), (9.0, 5), (9.0, 5), (0.0, 5)):
        engine.send(n, shift=shift)
        engine.time(10.0)
        engine.reduce(engine.store.time)
    assert [(a["state"], a["time"] - engine.start) for a in engine.alerts()] == [
        ("pending", 10.0), ("firing", 30.0), ("resolved", 50.0),
    ]  # fmt: skip
    assert engine.alerts()[1]["value"] == pytest.approx(9.0, abs=2.0)
    assert {a["since"] - engine.start for a in engine.alerts()} == {10.0}, "when it began, also at its end"
    assert engine.live() == []


def test_late_rows_change_the_result_but_not_the_alert() -> None:
    engine = moving(AlertSpec("high", 'mean("x") > 3', "stats"))
    engine.send(5, shift=9.0)
    engine.time(30.0)
    engine.reduce(engine.store.time)
    engine.send(95, at=engine.start, shift=-9.0)
    engine.reduce(engine.store.time)
    assert engine.results("stats")[0].n == 100
    assert [a["state"] for a in engine.alerts()] == ["firing"]


def test_alerts_of_changed_and_of_removed_rules_are_resolved() -> None:
    rule = AlertSpec("high", 'mean("x") > 3', "stats")
    for change in ("monitor", "rule"):
        engine = moving(rule)
        engine.send(5, shift=9.0)
        engine.settle()
        assert engine.live() == [("high", "firing")]
        from tests.engine.traffic import bundle_of

        spec = engine.bundle.plan.monitors[0]
        fresh = (
            monitor("stats", metric("moments", columns=["x"]), windows=spec.windows, alert=rule)
            if change == "monitor"
            else monitor("stats", metric("moments"), windows=spec.windows)
        )
        deploy(engine.store, bundle_of(plan_of(fresh)))
        assert engine.live() == []
        last = engine.alerts()[-1]
        assert (last["state"], last["details"]["reason"]) == ("resolved", "config_changed")


def test_a_rule_over_two_monitors() -> None:
    both = AlertSpec("both", 'stats.mean("x") > 3 and gaps.missing_rate("x") < 0.9')
    engine = Harness(
        plan_of(
            monitor("stats", metric("moments"), windows=[tumbling(10)]),
            monitor("gaps", metric("missing_rate"), windows=[tumbling(10)]),
            alerts=(both,),
        )
    )
    engine.send(20, shift=9.0)
    engine.settle()
    assert [(a["rule"], a["state"]) for a in engine.alerts()] == [("both", "firing")]


def test_a_change_detector_starts_again_after_its_alarm() -> None:
    engine = Harness(
        plan_of(detector("shift", "change", "conformal", options={"false_alarms": 100.0, "columns": ["x"]},
                         alert=AlertSpec("shift", "alarm", "shift")))
    )  # fmt: skip
    for _ in range(12):
        engine.send(50, shift=6.0)
        engine.time(1.0)
    engine.settle()
    alarms = [r.body["values"]["alarm"] for r in engine.results("shift")]
    first = alarms.index(1.0)
    assert 1.0 in alarms[first + 1 :]
    after = engine.results("shift")[first + 1].body["details"]
    assert after["rows_seen"] == 50
    assert engine.alerts()[0]["state"] == "firing"


def test_labels_of_windows_by_rows() -> None:
    engine = Harness(
        plan_of(monitor("performance", metric("accuracy"), windows=[by_rows(4)]), labels=LabelsSpec(within=1000.0))
    )
    given = right(engine, 4)
    engine.time(10.0)
    engine.reduce(engine.store.time)
    engine.label(wrong(given))
    engine.reduce(engine.store.time)
    assert accuracy(engine) == [0.0]
    with engine.store.read() as connection:
        assert labels.counts(connection, "m") == {"applied": 4}
