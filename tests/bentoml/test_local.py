"""Monitors in the model's own process that cannot be made leave nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from vedette.engine.tap.transport import TransportError
from vedette_bentoml.local import LocalMonitors


def test_a_step_that_fails_leaves_no_worker_running(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> None:
        raise RuntimeError("no service")

    monkeypatch.setattr("vedette.engine.service.Service", fails)
    before = set(threading.enumerate())
    with pytest.raises(TransportError, match="no service"):
        LocalMonitors(str(config)).describe()
    assert set(threading.enumerate()) == before
