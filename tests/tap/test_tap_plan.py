"""Plans learnt at run time, pools that come and go, and processes that fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection

import pytest
from tests.tap.transports import FAST, Receiver, Wire, call, dead, plan, until

from vedette.config.plan import TapSpec
from vedette.engine.message import TapPlan
from vedette.engine.tap.settings import Complaints, Timing
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import TransportError


class LateWire(Wire):
    """Says what it wants only at the third time of asking."""

    def describe(self) -> TapPlan:
        self.described += 1
        if self.described < 3:
            raise TransportError("not there yet") if self.described == 1 else RuntimeError("a stranger's bug")
        return self.plan


def test_calls_wait_for_the_plan() -> None:
    wire = LateWire()
    tap = Tap(wire, timing=FAST)
    tap.offer(call(1))
    assert tap.plan is None
    assert not wire.attempts
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0]
    tap.close()


def test_without_a_plan_memory_is_bounded_and_close_counts_the_rest() -> None:
    wire = LateWire()
    wire.described = -100_000
    tap = Tap(wire, TapSpec(buffer_rows=10), timing=FAST)
    for i in range(100):
        tap.offer(call(i))
        assert tap._held.rows <= 10
    tap.close(0.1)
    assert tap.counters()["dropped_calls"] == 100


def test_a_given_plan_is_not_asked_for() -> None:
    wire = Wire()
    tap = Tap(wire, plan=plan(), timing=FAST)
    tap.offer(call(1))
    assert tap.flush(5)
    time.sleep(0.1)
    assert wire.described == 0
    tap.close()


def test_pools_come_and_go_with_the_plan() -> None:
    wire = Wire("default", "heavy", "late")
    wire.plan = plan("default", "heavy", digest="one")
    tap = Tap(wire, timing=FAST)
    tap.offer(call(1))
    assert tap.flush(5)
    wire.plan = plan("default", "late", digest="two")
    assert until(lambda: tap.plan is not None and tap.plan.digest == "two")
    tap.offer(call(2))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0, 2.0]
    assert wire["heavy"].ages() == [1.0]
    assert wire["late"].ages() == [2.0]
    assert [m.seq for m in wire["late"].messages] == [1]
    tap.close()


def test_a_pool_that_goes_takes_its_queue_with_it() -> None:
    wire = Wire(
        "default", "heavy", fault=lambda pool, n, deliver: deliver() if pool == "default" else dead(pool, n, deliver)
    )
    tap = Tap(wire, timing=FAST)
    for i in range(5):
        tap.offer(call(i))
        time.sleep(0.02)
    assert until(lambda: wire["default"].rows() == 5)
    wire.plan = plan("default", digest="two")
    assert tap.flush(5)
    assert tap.counters("heavy")["dropped_rows"] == 5
    tap.close()


def test_a_changed_capture_is_used_for_what_comes_next() -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST)
    wire.plan = plan(digest="two", redact=("work",))
    assert until(lambda: tap.plan is not None and tap.plan.digest == "two")
    tap.offer(call(1))
    assert tap.flush(5)
    assert wire["default"].batches()[0].inputs["work"].missing().all()
    tap.close()


def test_the_model_version_travels() -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST, model_version="7")
    tap.offer(call(1))
    assert tap.flush(5)
    tap.model_version = "8"
    tap.offer(call(2))
    assert tap.flush(5)
    assert [m.model_version for m in wire["default"].messages] == ["7", "8"]
    tap.close()


def test_counters_travel_cumulatively() -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST)
    for i in range(3):
        tap.offer(call(i))
        assert tap.flush(5)
    assert [m.counters["captured"] for m in wire["default"].messages] == [1, 2, 3]
    assert until(lambda: any(m.counters.get("delivered_rows") == 3 for m in wire["default"].heartbeats))
    tap.close()


def test_what_was_counted_last_is_told_at_the_end() -> None:
    wire = Wire()
    tap = Tap(wire, timing=replace(FAST, heartbeat=60.0))
    tap.offer(call(1))
    assert tap.flush(5)
    tap.count("dropped_labels", 3)
    tap.close()
    (last,) = wire["default"].heartbeats
    assert (last.counters["dropped_labels"], last.counters["delivered_rows"]) == (3, 1)


def _child(pipe: Connection, tap: Tap, wire: Wire) -> None:
    wire.receivers = {"default": Receiver()}
    tap.offer(call(100))
    done = tap.flush(5)
    pipe.send((tap.producer, wire["default"].ages(), [m.seq for m in wire["default"].messages], done, tap.counters()))
    tap.close(1)
    pipe.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_is_a_producer_of_its_own() -> None:
    """With calls held by the parent, its threads running and its lock taken by another thread at the fork."""
    go = threading.Event()
    wire = Wire(
        fault=lambda pool, n, deliver: deliver() if go.is_set() or os.getpid() != parent else dead(pool, n, deliver)
    )
    parent = os.getpid()
    tap = Tap(wire, timing=FAST)
    for i in range(10):
        tap.offer(call(i))
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with tap._held.changed:
            taken.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(5)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, tap, wire))
    process.start()
    leave.set()
    thread.join()
    assert here.poll(20)
    producer, ages, seqs, done, counters = here.recv()
    process.join(10)
    assert process.exitcode == 0
    assert (ages, seqs, done) == ([100.0], [1], True)
    assert counters["offered"] == 1
    assert producer != tap.producer
    go.set()
    assert tap.flush(5)
    assert wire["default"].ages() == list(range(10))
    tap.close()


def test_retries_are_bounded_and_jittered() -> None:
    timing = Timing(first_retry=0.1, longest_retry=2.0)
    for attempt in range(200):
        full = min(2.0, 0.1 * 2.0 ** min(attempt, 30))
        assert full / 2 <= timing.retry_after(attempt) <= full
    assert len({timing.retry_after(3) for _ in range(10)}) > 1


def test_complaints_are_few(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(first=2, every=0.05)
    for _ in range(50):
        complaints.warn("kind", "message")
    complaints.warn("other", "message")
    assert len(caplog.records) == 3
    time.sleep(0.06)
    complaints.warn("kind", "message")
    assert "no. 51" in caplog.records[-1].getMessage()


def test_a_thread_that_cannot_start_now_starts_later(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    tap = Tap(wire, timing=FAST)
    tap._stop.set()  # as in a child: nothing of the parent runs, and nothing of its own until the first offer
    for thread in tap._threads:
        thread.join()
    tap._after_fork()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        tap.offer(call(1))
    assert tap.counters()["errors"] == 1
    tap.offer(call(2))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0, 2.0]
    tap.close()
