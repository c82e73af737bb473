"""A child that is forked while its parent writes can write, too."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vedette.store import forking
from vedette.store.forking import Gate

FORKS = """
import os, sys, threading
from vedette.store.database import Store

store = Store(sys.argv[1])
stop = threading.Event()

def write():
    while not stop.is_set():
        with store.write() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS seen (n INTEGER)")
            connection.exec_driver_sql("INSERT INTO seen VALUES (1)")

threads = [threading.Thread(target=write) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if not child:
        own = Store(sys.argv[1])
        with own.write() as connection:
            connection.exec_driver_sql("INSERT INTO seen VALUES (2)")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
with store.read() as connection:
    print(connection.exec_driver_sql("SELECT count(*) FROM seen WHERE n = 2").scalar())
"""


def test_children_write_while_their_parent_writes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS, f"sqlite:///{tmp_path / 'vedette.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["20"]


def held(gate: Gate) -> tuple[threading.Thread, threading.Event]:
    """A thread in a transaction, until told to leave."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with gate.passing():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert entered.wait(10)
    return thread, leave


def test_a_fork_waits_for_transactions_and_they_for_it() -> None:
    gate = Gate()
    first, leave = held(gate)
    forking_thread = threading.Thread(target=gate.shut, daemon=True)
    forking_thread.start()
    forking_thread.join(0.1)
    assert forking_thread.is_alive(), "a transaction is under way"
    leave.set()
    forking_thread.join(10)
    first.join(10)
    entered = threading.Event()

    def enter() -> None:
        with gate.passing():
            entered.set()

    late = threading.Thread(target=enter, daemon=True)
    late.start()
    assert not entered.wait(0.1), "the fork is not done"
    gate.reopen()
    assert entered.wait(10)


def test_a_fork_within_a_transaction_waits_for_others_only() -> None:
    gate = Gate()
    with gate.passing(), gate.passing():
        gate.shut()
        with gate.passing():
            pass
        gate.reopen()


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "PATIENCE", 0.05)
    gate = Gate()
    thread, leave = held(gate)
    gate.shut()
    gate.renew()  # the child: none of those threads is here
    with gate.passing():
        pass
    leave.set()
    thread.join(10)
