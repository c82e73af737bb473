"""Ray's imports without Ray's warnings, and Serve's local testing mode without loops that stay open."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what pydantic has deprecated
    from ray import serve  # noqa: F401


def _loops() -> list[asyncio.BaseEventLoop]:
    return [item for item in gc.get_objects() if isinstance(item, asyncio.BaseEventLoop) and not item.is_closed()]


@pytest.fixture
def in_process() -> Iterator[None]:
    """For `serve.run(..., _local_testing_mode=True)`, which never closes the event loops of its replicas."""
    before = {id(loop) for loop in _loops()}
    yield
    for loop in _loops():
        if id(loop) in before:
            continue
        if loop.is_running():
            loop.call_soon_threadsafe(loop.stop)
        while loop.is_running():
            time.sleep(0.01)
        loop.close()
