"""Silences withhold events, not states; acknowledgements end with their alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.engine.harness import Harness
from tests.engine.traffic import AlertSpec, bundle_of, get_registry, metric, monitor, plan_of, tumbling

from vedette.engine.alerting import Alerting
from vedette.engine.bad_request import BadRequest
from vedette.engine.lifecycle import deploy
from vedette.engine.reduce.reducer import Reducer

RULE = AlertSpec("stats", 'mean("x") > 3', "stats")
HIGH, LOW = 9.0, 0.0


def make(rule: AlertSpec = RULE, url: str = "sqlite://", **more: Any) -> Harness:
    spec = monitor("stats", metric("moments"), windows=[tumbling(10)], alert=rule, **more)
    return Harness(plan_of(spec, sinks=(Harness.sink("pager"),)), url)


def window(engine: Harness, shift: float, n: int = 5) -> None:
    engine.send(n, shift=shift)
    engine.time(10.0)
    engine.reduce(engine.store.time)


def alerting(engine: Harness) -> Alerting:
    return Alerting(engine.store, engine.bundle.plan)


def silence(engine: Harness, seconds: int = 25, **more: Any) -> str:
    request = {"rule": "stats", "for": f"{seconds}s", "reason": "a trial", "by": "kim", **more}
    return str(alerting(engine).silence(request)["id"])


def delivered(engine: Harness) -> list[str]:
    """States of the alert events that the sink got since the last look."""
    found: list[str] = []

    def emit(name: str, event: Any) -> None:
        if event.kind == "alert":
            found.append(event.payload["state"])

    while engine.deliver(emit):
        pass
    return found


def states(engine: Harness) -> list[str]:
    return [alert["state"] for alert in engine.alerts()]


def test_a_silenced_alert_changes_state_and_is_recorded_but_not_delivered() -> None:
    engine = make()
    number = silence(engine)
    window(engine, HIGH)
    assert engine.live() == [("stats", "firing")]
    assert [(a["state"], a["silenced"]) for a in engine.alerts()] == [("firing", number)]
    assert delivered(engine) == []
    assert alerting(engine).live()[0]["silenced"] == number


@pytest.mark.parametrize("ends", ["by time", "by hand"])
def test_what_fires_still_when_the_silence_ends_is_delivered_then_and_once(ends: str) -> None:
    engine = make()
    number = silence(engine)
    window(engine, HIGH)
    if ends == "by hand":
        assert alerting(engine).end_silence(number) is not None
    else:
        engine.time(20.0)
    engine.reducer.close()
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    for _ in range(3):
        engine.reduce(engine.store.time)
    assert delivered(engine) == ["firing"]
    window(engine, HIGH)
    window(engine, LOW)
    assert delivered(engine) == ["resolved"]


def test_all_of_it_on_every_kind_of_store(store_url: str) -> None:
    engine = make(replace(RULE, keep_count=2), store_url)
    silence(engine)
    window(engine, HIGH)
    engine.time(20.0)
    engine.reduce(engine.store.time)
    assert delivered(engine) == ["firing"]
    assert alerting(engine).acknowledge("stats", {"by": "kim"}) is not None
    for _ in range(2):
        window(engine, LOW)
    assert delivered(engine) == ["resolved"]
    assert engine.alerts()[-1]["acknowledged"]["by"] == "kim"
    engine.store.close()


def test_what_came_and_went_in_a_silence_is_never_delivered() -> None:
    engine = make()
    silence(engine, 100)
    for shift in (HIGH, LOW, HIGH, LOW):
        window(engine, shift)
    engine.time(200.0)
    engine.reduce(engine.store.time)
    assert states(engine) == ["firing", "resolved"] * 2
    assert delivered(engine) == []
    window(engine, HIGH)
    assert delivered(engine) == ["firing"]


def test_who_was_told_that_it_fires_is_told_that_it_is_over_when_the_silence_ends() -> None:
    engine = make()
    window(engine, HIGH)
    assert delivered(engine) == ["firing"]
    silence(engine, 100)
    for shift in (LOW, HIGH, LOW):
        window(engine, shift)
    assert delivered(engine) == []
    engine.time(100.0)
    engine.reduce(engine.store.time)
    assert delivered(engine) == ["resolved"]


def test_a_pending_alert_that_fires_after_the_silence_is_delivered_as_ever() -> None:
    engine = make(AlertSpec("stats", 'mean("x") > 3', "stats", for_count=3))
    silence(engine, 15)
    for _ in range(3):
        window(engine, HIGH)
    assert states(engine) == ["pending", "firing"]
    assert delivered(engine) == ["firing"]


@pytest.mark.parametrize(
    ("by", "segment", "said"),
    [
        ((), "region=eu", "'stats' has no segments"),
        (("region",), "regoin=eu", "they are of the form region=..."),
        (("region",), "eu", "they are of the form region=..."),
    ],
)
def test_a_segment_that_cannot_be_is_refused(by: tuple[str, ...], segment: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        silence(make(by=by), segment=segment)


def test_sinks_hear_of_no_alert_that_is_pending_only() -> None:
    engine = make(AlertSpec("stats", 'mean("x") > 3', "stats", for_count=3))
    for shift in (HIGH, LOW, HIGH, HIGH, HIGH, LOW):
        window(engine, shift)
    assert states(engine) == ["pending", "pending", "firing", "resolved"]
    assert delivered(engine) == ["firing", "resolved"]


def test_who_believes_that_it_fires_is_not_told_so_twice() -> None:
    engine = make()
    window(engine, HIGH)
    silence(engine, 100)
    for shift in (LOW, HIGH):
        window(engine, shift)
    engine.time(100.0)
    engine.reduce(engine.store.time)
    assert states(engine) == ["firing", "resolved", "firing"]
    assert delivered(engine) == ["firing"]
    window(engine, LOW)
    assert delivered(engine) == ["resolved"]


def test_a_silence_of_one_segment_leaves_the_others() -> None:
    engine = make(by=("region",))
    silence(engine, 1000, segment="region=eu")
    window(engine, HIGH, 40)
    assert sorted(a["segment"] for a in engine.alerts()) == ["region=eu", "region=us"]
    assert delivered(engine) == ["firing"]
    assert {a["segment"]: bool(a["silenced"]) for a in alerting(engine).live()} == {
        "region=eu": True, "region=us": False,
    }  # fmt: skip


def test_of_two_silences_the_longer_one_counts() -> None:
    engine = make()
    silence(engine, 5)
    silence(engine, 60)
    window(engine, HIGH)
    engine.time(20.0)
    engine.reduce(engine.store.time)
    assert delivered(engine) == []
    engine.time(60.0)
    engine.reduce(engine.store.time)
    assert delivered(engine) == ["firing"]


@pytest.mark.parametrize("told", [True, False])
def test_an_alert_that_a_deploy_ends_is_told_to_who_knows_of_it(told: bool) -> None:
    engine = make()
    number = None if told else silence(engine, 1000)
    window(engine, HIGH)
    delivered(engine)
    if number is not None:
        alerting(engine).end_silence(number)
    plan = plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)]), sinks=(Harness.sink("pager"),))
    deploy(engine.store, bundle_of(plan))
    assert states(engine) == ["firing", "resolved"]
    engine.bundle = bundle_of(plan)
    assert delivered(engine) == (["resolved"] if told else [])


def test_silences_are_listed_while_they_last_and_forgotten_after_the_retention() -> None:
    engine = make()
    first = silence(engine, 5)
    engine.time(1.0)
    second = silence(engine, 500)
    assert {s["id"] for s in alerting(engine).silences()} == {first, second}
    engine.time(10.0)
    assert [s["id"] for s in alerting(engine).silences()] == [second]
    assert alerting(engine).end_silence(second) is not None
    assert alerting(engine).silences() == []
    assert [(s["id"], s["active"]) for s in alerting(engine).silences(over=True)] == [(second, False), (first, False)]
    from vedette.engine.reduce.retention import Retention

    engine.time(365 * 86_400.0)
    assert Retention(engine.store, engine.bundle).step()["silences"] == 2


GOOD = {"rule": "stats", "for": "2h", "reason": "x"}


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({**GOOD, "rule": "stat"}, "rule", "did you mean 'stats'"),
        ({**GOOD, "rule": 7}, "rule", "allowed: stats"),
        ({**GOOD, "for": "soon"}, "for", "not a duration"),
        ({**GOOD, "for": 7200}, "for", "not a duration"),
        ({**GOOD, "reason": ""}, "reason", "text of 1 to 1000"),
        ({**GOOD, "segment": 5}, "segment", "text of 0 to 256"),
        ({**GOOD, "reson": "x"}, "reson", "did you mean 'reason'"),
        ([GOOD], "body", "an object"),
    ],
)
def test_what_is_wrong_with_a_silence_is_said(request_: Any, field: str, message: str) -> None:
    engine = make()
    with pytest.raises(BadRequest, match=message) as caught:
        alerting(engine).silence(request_)
    assert caught.value.field == field
    assert alerting(engine).silences(over=True) == []


def test_an_acknowledgement_is_shown_and_ends_with_its_alert() -> None:
    engine = make()
    window(engine, HIGH)
    said = alerting(engine).acknowledge("stats", {"by": "kim", "note": "on it"})
    assert said is not None
    window(engine, HIGH)
    assert alerting(engine).live()[0]["acknowledged"] == {"by": "kim", "note": "on it", "time": engine.store.time - 10}
    window(engine, LOW)
    assert engine.alerts()[-1]["acknowledged"]["by"] == "kim"
    window(engine, HIGH)
    assert alerting(engine).live()[0]["acknowledged"] is None


def test_an_acknowledged_alert_is_not_sent_again_when_its_silence_ends() -> None:
    engine = make()
    silence(engine)
    window(engine, HIGH)
    alerting(engine).acknowledge("stats", {"by": "kim"})
    engine.time(30.0)
    engine.reduce(engine.store.time)
    assert delivered(engine) == []
    window(engine, LOW)
    assert delivered(engine) == []  # nor its end: they never heard of it


def test_acknowledging_asks_which_window_and_knows_what_is_not_live() -> None:
    spec = monitor("stats", metric("moments"), windows=[tumbling(10), tumbling(20)], alert=RULE)
    engine = Harness(plan_of(spec))
    assert alerting(engine).acknowledge("stats", {"by": "kim"}) is None
    for _ in range(2):
        window(engine, HIGH)
    with pytest.raises(BadRequest, match="which one"):
        alerting(engine).acknowledge("stats", {"by": "kim"})
    assert alerting(engine).acknowledge("stats", {"by": "kim", "window": "20s"}) is not None
    assert alerting(engine).acknowledge("stats", {"by": "kim", "window": "20s", "segment": "region=eu"}) is None
    assert by_window(alerting(engine).live()) == {"10s": False, "20s": True}


def by_window(live: Sequence[Any]) -> dict[str, bool]:
    return {alert["window"]: alert["acknowledged"] is not None for alert in live}


def test_nobody_needs_a_name_less_than_who_acknowledges() -> None:
    engine = make()
    with pytest.raises(BadRequest, match="by: is missing"):
        alerting(engine).acknowledge("stats", {"note": "x"})
