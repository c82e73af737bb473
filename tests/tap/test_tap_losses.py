"""What a tap loses to a dead pool, to bounds and to what cannot be read is counted, and costs nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.tap.transports import Make, Wire, call, dead, raising, silent, until

from vedette.config.plan import TapSpec
from vedette.engine.capture import Call
from vedette.engine.tap.transport import Refused, TransportError


@pytest.mark.parametrize("fault", [dead, silent, raising])
def test_a_dead_pool_costs_bounded_memory_and_what_is_lost_is_counted(make: Make, fault: Any) -> None:
    wire = Wire(fault=fault)
    tap = make(wire, TapSpec(buffer_rows=300, buffer_bytes=1 << 20))
    most = 0
    for i in range(2000):
        tap.offer(call(i))
        most = max(most, tap._held.rows)
        if i % 100 == 0:
            time.sleep(0.01)
    assert most <= 300
    assert tap._held.bytes <= 1 << 20
    tap.close(0.1)
    counters = tap.counters()
    lost = counters.get("dropped_calls", 0) + counters.get("dropped_rows", 0) + counters.get("unknown_rows", 0)
    assert lost == 2000
    assert counters.get("unknown_rows", 0) > 0 if fault is not dead else "unknown_rows" not in counters


def test_memory_is_bounded_by_bytes_too(make: Make) -> None:
    tap = make(Wire(fault=dead), TapSpec(buffer_bytes=1 << 20))
    for _ in range(100):
        tap.offer(Call(b'{"age": 1, "work": "' + b"x" * 50_000 + b'"}'))
        assert tap._held.bytes <= 1 << 20
    assert tap.counters()["offered"] == 100


def test_the_oldest_is_dropped_and_the_newest_arrives(make: Make) -> None:
    down = threading.Event()
    down.set()

    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if down.is_set():
            raise TransportError("down", arrived=False)
        deliver()

    wire = Wire(fault=fault)
    tap = make(wire, TapSpec(buffer_rows=50))
    for i in range(200):
        tap.offer(call(i))
        time.sleep(0.001)
    down.clear()
    assert tap.flush(5)
    ages = wire["default"].ages()
    assert ages == sorted(ages)
    assert ages[-1] == 199.0
    counters = tap.counters()
    assert len(ages) + counters.get("dropped_rows", 0) + counters.get("dropped_calls", 0) == 200


def test_a_dead_pool_holds_back_no_other(make: Make) -> None:
    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if pool == "heavy":
            raise TransportError("down")
        deliver()

    wire = Wire("default", "heavy", fault=fault)
    tap = make(wire)
    for i in range(20):
        tap.offer(call(i))
    assert until(lambda: wire["default"].rows() == 20)
    assert tap.counters("heavy").get("delivered_rows", 0) == 0


def test_a_refused_message_is_counted_and_the_next_one_goes(make: Make) -> None:
    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if attempt == 1:
            raise Refused("400: not a message")
        deliver()

    wire = Wire(fault=fault)
    tap = make(wire)
    tap.offer(call(0))
    assert tap.flush(5)
    tap.offer(call(1))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0]
    assert tap.counters()["refused_rows"] == 1


def test_undecodable_and_failed_calls_are_counted_and_logged_a_few_times(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    tap = make(wire)
    for i in range(20):
        tap.offer(Call({"age": "old"}))
        tap.offer(Call(b"{", b"", status=500))
        tap.offer(call(i))
        tap.offer(Call({"nothing": 1}))
    assert tap.flush(5)
    assert wire["default"].ages() == list(range(20))
    counters = tap.counters()
    assert (counters["undecodable"], counters["failed_calls"], counters["captured"]) == (40, 20, 20)
    told = [r.getMessage() for r in caplog.records if "undecodable" in r.getMessage()]
    assert 1 <= len(told) <= 3
    assert any("'old'" in message or "nothing" in message for message in told)
