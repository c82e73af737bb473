"""The broker's thread ends with its work."""

from __future__ import annotations

import threading
import time

import pytest


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    end = time.monotonic() + 5
    while any(thread.name == "vedette-broker" for thread in threading.enumerate()):
        assert time.monotonic() < end, "the broker's thread still runs"
        time.sleep(0.005)
