"""Monitors in the model's own process that cannot be made leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.bentoml.serving import environment

from vedette.engine.service import Service
from vedette.engine.tap.transport import TransportError
from vedette.store.database import Store
from vedette_bentoml.bundles import prepared
from vedette_bentoml.local import LocalMonitors


def test_a_step_that_fails_leaves_no_worker_running(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> None:
        raise RuntimeError("no service")

    monkeypatch.setattr("vedette.engine.service.Service", fails)
    before = set(threading.enumerate())
    with pytest.raises(TransportError, match="no service"):
        LocalMonitors(str(config)).describe()
    assert set(threading.enumerate()) == before


FORKING = """
import os, sys
from tests.bentoml.test_monitor import record
from vedette.testing.platforms.model import make_labels, make_rows
from vedette_bentoml.monitor import VedetteMonitor

monitor = VedetteMonitor("income", config=sys.argv[1])

def show(n: int) -> None:
    rows = make_rows(n, seed=n)
    record(monitor, rows, make_labels(rows, n))

show(5)
assert monitor.tap.flush(60)
child = os.fork()
if not child:
    show(7)
    monitor.close(30)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
show(3)
monitor.close(30)
"""


def test_a_forked_child_has_monitors_of_its_own(config: Path) -> None:
    """Those of the parent have no threads there: what the child showed them would be counted by nobody."""
    env = environment(config.parent / "home")
    command = [sys.executable, "-c", FORKING, str(config)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    bundle = prepared(config)
    store = Store(bundle.plan.store)
    service = Service(store, bundle)
    assert {monitor["name"]: monitor["rows"] for monitor in service.monitors()}["quality"] == 15
    counters = service.counters()
    waiting = sum(counters.get(f"labels_{state}", 0) for state in ("pending", "applied"))
    assert waiting == 15, counters  # whoever comes next joins those that are pending
    store.close()
