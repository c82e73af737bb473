"""A tap that is made at the first call, where making it fails, is slow, or is cut short by a fork."""

from __future__ import annotations

import logging
import multiprocessing
import threading
from multiprocessing.connection import Connection

import pytest
from tests.tap.transports import Wire

from vedette.engine.capture.call import Call
from vedette.engine.tap.lazy import LazyTap
from vedette.engine.tap.transport import Transport


def call(age: float) -> Call:
    return Call({"instances": [{"age": age, "work": "a"}]}, {"predictions": [">50K"]})


def test_a_transport_that_cannot_be_made_costs_rows_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def connect() -> Transport:
        attempts.append(1)
        raise OSError("no such socket")

    tap = LazyTap(connect)
    with caplog.at_level(logging.ERROR, "vedette.tap"):
        for _ in range(5):
            tap.offer(call(1))
            assert tap.new_id()
    assert len(attempts) == 1  # the next one is due in half a minute
    assert [record.getMessage() for record in caplog.records] == [
        "predictions of this process are not all monitored: OSError: no such socket"
    ]
    tap.close()


def _child(pipe: Connection, tap: LazyTap, wire: Wire, leave: threading.Event) -> None:
    leave.set()  # the child's own copy: its `connect` does not wait
    tap.offer(call(100))
    done = tap.tap.flush(5)
    pipe.send((wire["default"].ages(), done))
    tap.close(1)
    pipe.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_while_the_tap_is_made_does_not_block_the_child() -> None:
    wire, connecting, leave = Wire(), threading.Event(), threading.Event()

    def connect() -> Transport:
        connecting.set()
        leave.wait(20)
        return wire

    tap = LazyTap(connect)
    thread = threading.Thread(target=tap.offer, args=(call(1),))
    thread.start()
    assert connecting.wait(5)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, tap, wire, leave))
    process.start()
    answered = here.poll(10)
    leave.set()
    thread.join()
    if not answered:
        process.kill()
    assert answered, "the child's first call waits for a thread that the child does not have"
    assert here.recv() == ([100.0], True)
    process.join(10)
    assert process.exitcode == 0
    assert tap.tap.flush(5)
    assert wire["default"].ages() == [1.0]
    tap.close()
