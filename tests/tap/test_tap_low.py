"""`low`: never above the event time of a row that is not delivered."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.tap.transports import FAST, Wire, call, dead, plan, until

from vedette.config.plan import TapSpec
from vedette.engine.capture import Call
from vedette.engine.message import Message
from vedette.engine.tap.holdings import Holdings, Shipment
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import TransportError
from vedette_specs import Batch


def rows_of(data: bytes) -> list[float]:
    message = Message.from_bytes(data)
    if message.batch is None:
        return []
    return Batch.from_bytes(message.batch, plan().schema).times.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(3))
def test_low_is_never_above_an_offered_row_that_is_not_delivered(seed: int) -> None:
    """Every message that arrives is checked against all rows offered before it was sent and not delivered by it."""
    rng = random.Random(seed)
    sent: list[tuple[float, list[float]]] = []  # low, event times delivered

    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        time.sleep(rng.random() * 0.01)
        if rng.random() < 0.4:
            raise TransportError("lost")
        deliver()

    wire = Wire(fault=fault)
    apply = wire["default"].apply

    def record(data: bytes) -> None:
        sent.append((Message.from_bytes(data).low, rows_of(data)))
        apply(data)

    wire["default"].apply = record  # type: ignore[method-assign]
    tap = Tap(wire, timing=FAST)
    offered: list[tuple[float, float]] = []  # event time, when offered
    for i in range(150):
        event_time = time.time() - rng.choice([0.0, 0.0, 3.0, 50.0])
        tap.offer(call(i, time=event_time))
        offered.append((event_time, time.time()))
        time.sleep(rng.random() * 0.004)
    assert tap.flush(10)
    assert until(lambda: wire["default"].heartbeats)
    tap.close()
    offered_at = dict(offered)
    delivered: set[float] = set()
    for low, times in sent:
        delivered |= set(times)
        frozen = max((offered_at[t] for t in delivered), default=0.0)  # what was offered before this, the tap knew
        assert low <= min((t for t, at in offered if at <= frozen and t not in delivered), default=low)
    assert delivered == set(offered_at)
    assert sum(len(times) for _, times in sent) == len(offered)


def test_low_looks_at_what_is_not_captured_and_what_is_not_frozen_yet() -> None:
    held = Holdings(1000, 1 << 20)
    before = time.time()
    assert before <= held.low() <= time.time()
    held.offer("a", 1, 1, 100.0)
    held.offer("b", 1, 1, 50.0)
    assert held.low() == 50.0
    items = held.take()
    assert held.low() == 50.0
    held.offer("c", 1, 1, 70.0)
    assert held.low(float("inf")) == 70.0
    held.remaining(100.0)
    assert held.low() == 70.0
    held.remaining(float("inf"))
    held.release(len(items))
    assert held.low() == 70.0
    held.lag = 20.0
    assert held.low() == 50.0


def test_an_event_time_in_the_future_promises_no_more_than_now() -> None:
    held = Holdings(10, 1000)
    held.offer("a", 1, 1, time.time() + 1000)
    assert held.low() <= time.time()


def test_an_idle_tap_tells_the_time_once_a_heartbeat() -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST)
    assert until(lambda: len(wire["default"].heartbeats) >= 3)
    tap.close()
    beats = wire["default"].heartbeats
    assert [m.low for m in beats] == sorted(m.low for m in beats)
    assert all(m.batch is None and m.rows == 0 and m.seq == 0 for m in beats)
    assert abs(beats[-1].low - time.time()) < 2


def test_heartbeats_that_fail_while_the_monitors_start_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A healthy start: the monitors come a moment after the model."""
    failures: list[float] = []

    def starting(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if len(failures) < 3:
            failures.append(time.monotonic())
            raise TransportError("connection refused", arrived=False)
        deliver()

    wire = Wire(fault=starting)
    tap = Tap(wire, timing=replace(FAST, patience=30.0))
    assert until(lambda: wire["default"].heartbeats)
    assert tap.counters()["heartbeats_failed"] == 3
    tap.close()
    assert not caplog.records


def test_monitors_that_stay_away_are_told_by_an_idle_tap(caplog: pytest.LogCaptureFixture) -> None:
    tap = Tap(Wire(fault=dead), timing=replace(FAST, patience=0.3))
    assert until(lambda: caplog.records)
    assert tap.counters()["heartbeats_failed"] >= 3
    tap.close()
    assert re.match(r"pool 'default' has not answered for \d+ s: connection refused", caplog.messages[0])


def test_an_answer_between_them_makes_failed_heartbeats_quiet_again(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []

    def flickering(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        turns.append(1)
        if len(turns) % 2:
            raise TransportError("connection refused", arrived=False)
        deliver()

    tap = Tap(Wire(fault=flickering), timing=replace(FAST, heartbeat=0.02, patience=0.5))
    assert until(lambda: len(turns) > 60, 20)
    tap.close()
    assert not caplog.records


def test_no_heartbeat_overtakes_rows_that_are_not_frozen_yet() -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST)
    assert until(lambda: wire["default"].heartbeats)
    assert tap._capturing is not None
    with tap._capturing._lock:  # the flusher stands still
        tap.offer(call(1, time=1000.0))
        wire["default"].heartbeats.clear()
        assert until(lambda: len(wire["default"].heartbeats) >= 3)
        assert {m.low for m in wire["default"].heartbeats[1:]} == {1000.0}
    assert tap.flush(5)
    wire["default"].heartbeats.clear()
    assert until(lambda: wire["default"].heartbeats)
    assert wire["default"].heartbeats[-1].low > 1e9
    tap.close()


def test_shipments_with_event_times_from_the_body_hold_back_what_is_undecoded() -> None:
    wire = Wire()
    wire.plan = plan(time="body.at")
    tap = Tap(wire, timing=FAST)
    now = time.time()
    for i in range(3):
        tap.offer(call(i, request_id=str(i)))
    tap.offer(Call({"age": 9, "work": "a", "at": now - 500}))
    assert tap.flush(5)
    assert 450 < tap._held.lag < 550
    assert tap.counters()["late_stamped"] == 3
    tap.close()


def test_dropped_shipments_are_counted_by_what_may_have_arrived() -> None:
    held = Holdings(2, 10_000)
    for i in range(4):
        shipment = Shipment("p", 0.0, 1, b"x", {"a": i + 1, "b": i + 1})
        if i == 0:
            shipment.tried.add("b")
        held.add(shipment)
    assert held.rows == 2
    assert held.counters("a")["dropped_rows"] == 2
    assert held.counters("b") == {"offered": 0, "unknown_rows": 1, "dropped_rows": 1}
    assert held.counters()["dropped_rows"] == 3


def test_the_smallest_of_bounds_loses_but_counts() -> None:
    wire = Wire()
    tap = Tap(wire, TapSpec(buffer_rows=1), timing=FAST)
    for i in range(20):
        tap.offer(call(i))
        assert tap._held.rows <= 1
    assert tap.flush(5)
    counters = tap.counters()
    assert wire["default"].rows() + counters.get("dropped_rows", 0) + counters.get("dropped_calls", 0) == 20
    tap.close()
