"""The tap against transports that are slow, dead, busy, raising, or lose acknowledgements."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tap.transports import FAST, SCHEMA, Make, Wire, busy, call, dead, loses_acks, plan, slow, until

from vedette.config.plan import TapSpec
from vedette.engine.capture import Call
from vedette.engine.message import Message
from vedette.engine.tap.settings import Timing
from vedette.engine.tap.transport import InProcessTransport, TransportError
from vedette_specs import Batch, numeric


def test_calls_arrive_as_rows_in_order(make: Make) -> None:
    wire = Wire()
    tap = make(wire)
    for i in range(500):
        tap.offer(call(i, request_id=f"r{i}", time=float(i + 1)))
    assert tap.flush(5)
    assert wire["default"].ages() == list(range(500))
    batches = wire["default"].batches()
    assert [i for b in batches for i in b.ids.tolist()] == [f"r{i}" for i in range(500)]  # type: ignore[union-attr]
    assert [t for b in batches for t in b.times.tolist()] == [i + 1.0 for i in range(500)]  # type: ignore[union-attr]
    assert [m.seq for m in wire["default"].messages] == list(range(1, len(batches) + 1))
    counters = tap.counters()
    assert (counters["offered"], counters["captured"], counters["delivered_rows"]) == (500, 500, 500)


def test_ids_are_minted_where_a_call_brings_none_and_times_stamped(make: Make) -> None:
    wire = Wire()
    tap = make(wire)
    before = time.time()
    mine = tap.new_id()
    tap.offer(Call([{"age": 1}, {"age": 2}]))
    tap.offer(call(3, request_id=mine))
    assert tap.flush(5)
    ids = [i for b in wire["default"].batches() for i in b.ids.tolist()]  # type: ignore[union-attr]
    assert mine == f"{tap.producer}-1"
    assert sorted(ids) == [f"{tap.producer}-1", f"{tap.producer}-2", f"{tap.producer}-2"]
    times = np.concatenate([b.times for b in wire["default"].batches() if b.times is not None])
    assert ((times >= before) & (times <= time.time())).all()


def test_columnar_batches_are_completed_and_redacted(make: Make) -> None:
    wire = Wire()
    wire.plan = plan(redact=("work",))
    tap = make(wire)
    tap.offer_batch(Batch({"age": numeric([1, 2])}, SCHEMA, times=np.array([5.0, np.nan])))
    tap.offer_batch(Batch({"age": numeric([3])}, SCHEMA))
    tap.offer_batch(Batch({"age": numeric([])}, SCHEMA))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0, 2.0, 3.0]
    first = wire["default"].batches()[0]
    assert first.times is not None
    assert first.times[0] == 5.0
    assert first.times[1] > 1e9
    assert first.rows is not None
    assert first.rows.tolist()[:2] == [0, 1]
    assert len({*first.ids.tolist()[:2]}) == 1  # type: ignore[union-attr]


def test_large_batches_are_cut_by_rows_and_by_bytes(make: Make) -> None:
    wire = Wire()
    tap = make(wire)
    tap.offer_batch(Batch({"age": numeric(np.arange(20_000.0))}, SCHEMA))
    assert tap.flush(10)
    assert [m.rows for m in wire["default"].messages] == [8192, 8192, 3616]
    heavy = Wire()
    small = make(heavy, timing=type(FAST)(**{**vars(FAST), "batch_bytes": 5000}))
    small.offer_batch(Batch({"age": numeric(np.arange(1000.0))}, SCHEMA))
    assert small.flush(10)
    assert all(len(m.batch or b"") <= 5000 for m in heavy["default"].messages)
    assert heavy["default"].ages() == list(range(1000))


@pytest.mark.parametrize("fault", [slow, loses_acks, busy])
def test_every_row_arrives_once_whatever_the_wire_does(make: Make, fault: Any) -> None:
    wire = Wire("default", "heavy", fault=fault)
    tap = make(wire)
    for i in range(60):
        tap.offer(call(i))
        time.sleep(0.002)
    assert tap.flush(10)
    for pool in ("default", "heavy"):
        assert wire[pool].ages() == list(range(60))
        assert tap.counters(pool)["delivered_rows"] == 60
        assert tap.counters(pool).get("dropped_rows", 0) == 0


def test_a_retry_has_the_same_number_and_the_same_bytes(make: Make) -> None:
    wire = Wire(fault=loses_acks)
    tap = make(wire)
    for i in range(3):
        tap.offer(call(i))
        assert tap.flush(5)
    by_number: dict[int, set[bytes]] = {}
    for _, data in wire.attempts:
        by_number.setdefault(Message.from_bytes(data).seq, set()).add(data)
    assert sorted(by_number) == [1, 2, 3]
    assert all(len(versions) == 1 for versions in by_number.values())
    assert wire["default"].duplicates == 6


def test_one_message_of_a_pool_is_in_flight(make: Make) -> None:
    flying: dict[str, int] = {"default": 0, "heavy": 0}
    most = dict(flying)

    def count(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        flying[pool] += 1
        most[pool] = max(most[pool], flying[pool])
        time.sleep(0.005)
        deliver()
        flying[pool] -= 1

    tap = make(Wire("default", "heavy", fault=count))
    for i in range(40):
        tap.offer(call(i))
        time.sleep(0.001)
    assert tap.flush(5)
    assert most == {"default": 1, "heavy": 1}


def test_busy_is_honoured(make: Make) -> None:
    wire = Wire(fault=busy)
    tap = make(wire)
    start = time.monotonic()
    tap.offer(call(1))
    assert tap.flush(5)
    assert time.monotonic() - start >= 0.2
    assert len(wire.attempts) == 2


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attribute for you")

    def __len__(self) -> int:
        raise RuntimeError("no length either")


def test_offer_never_raises(make: Make) -> None:
    wire = Wire()
    tap = make(wire)
    for thing in (Hostile(), object(), None, 3, {"a": Hostile()}, [Hostile()]):
        tap.offer(Call(thing))
        tap.offer(Call(args=(thing,), response=thing))
        tap.offer(Call({"age": 1}, time=thing))  # type: ignore[arg-type]
        tap.offer(Call({"age": 1}, headers=thing))  # type: ignore[arg-type]
        tap.offer(thing)  # type: ignore[arg-type]
        tap.offer_batch(thing)  # type: ignore[arg-type]
    tap.offer(call(7))
    assert tap.flush(5)
    assert 7.0 in wire["default"].ages()
    assert tap.counters()["errors"] > 0


def test_offers_from_many_threads_all_arrive(make: Make) -> None:
    wire = Wire(fault=loses_acks)
    tap = make(wire)
    threads = [
        threading.Thread(target=lambda k=k: [tap.offer(call(k * 300 + i)) for i in range(300)]) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tap.flush(10)
    assert sorted(wire["default"].ages()) == list(range(2400))


def test_close_waits_no_longer_than_it_may(make: Make) -> None:
    hold = threading.Event()

    def hangs(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        hold.wait(10)
        raise TransportError("at last")

    wire = Wire(fault=hangs)
    tap = make(wire)
    tap.offer(call(1))
    assert until(lambda: wire.attempts)
    start = time.monotonic()
    tap.close(0.3)
    assert time.monotonic() - start < 0.6
    assert wire.closed
    tap.offer(call(2))
    tap.close()
    counters = tap.counters()
    assert counters["dropped_calls"] == 1
    assert counters.get("unknown_rows", 0) + counters.get("dropped_rows", 0) == 1
    hold.set()


def test_close_delivers_what_is_left(make: Make) -> None:
    wire = Wire(fault=slow)
    tap = make(wire)
    for i in range(100):
        tap.offer(call(i))
    tap.close(5)
    assert wire["default"].ages() == list(range(100))
    assert not any(t.name.startswith("vedette-tap") and t.is_alive() for t in tap._threads)


def test_flush_says_no_when_nothing_gets_through(make: Make) -> None:
    tap = make(Wire(fault=dead))
    tap.offer(call(1))
    assert not tap.flush(0.1)


def test_in_process_workers_are_a_transport(make: Make) -> None:
    wire = Wire()

    class Worker:
        calls = 0

        def apply(self, message: bytes) -> None:
            Worker.calls += 1
            if Worker.calls == 1:
                raise OSError("disk I/O error")
            wire["default"].apply(message)

    tap = make(InProcessTransport({"default": Worker()}, plan()))
    tap.offer(call(1))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0]
    with pytest.raises(TransportError, match="pool 'none' has no worker"):
        tap.transport.send("none", b"", 1.0)


def test_rows_wait_for_company_without_a_spool_and_not_with_one(make: Make, tmp_path: Path) -> None:
    timing = replace(FAST, linger=0.8)
    lazy, prompt = Wire(), Wire()
    tap = make(lazy, timing=timing)
    spooling = make(prompt, TapSpec(spool=str(tmp_path)), timing=timing)
    begun = time.monotonic()
    for i in range(20):
        for one in (tap, spooling):
            one.offer(call(i))
        time.sleep(0.02)
    assert until(lambda: len(prompt["default"].ages()) == 20)
    assert len([m for m in prompt["default"].messages if m.rows]) > 1
    assert until(lambda: len(lazy["default"].ages()) == 20)
    assert time.monotonic() - begun < 2.0
    assert len([m for m in lazy["default"].messages if m.rows]) <= 2


def test_a_full_batch_does_not_wait(make: Make) -> None:
    wire = Wire()
    tap = make(wire, timing=replace(FAST, linger=30.0, batch_rows=10))
    for i in range(10):
        tap.offer(call(i))
    assert until(lambda: len(wire["default"].ages()) == 10, 3.0)


def test_batches_are_small_beside_a_small_buffer(make: Make) -> None:
    wire = Wire()
    tap = make(wire, TapSpec(buffer_rows=40), timing=replace(FAST, linger=30.0))
    tap.offer_batch(Batch({"age": numeric(np.arange(36.0))}, SCHEMA))
    assert tap.flush(5)
    assert wire["default"].ages() == list(range(36))
    assert max(m.rows for m in wire["default"].messages) == 10
    assert Timing().within(TapSpec()) == Timing()
    tiny = Timing().within(TapSpec(buffer_rows=1, buffer_bytes=1))
    assert (tiny.batch_rows, tiny.batch_bytes) == (1, 1)
