"""One real Ray for the whole session, with ports and files of its own."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what pydantic has deprecated
    import ray
    from ray import serve

from vedette_rayserve.local import LocalRay

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalRay]:
    with LocalRay(cpus=4, environment={"PYTHONPATH": str(ROOT)}) as local, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of its imports and threads
        ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
        serve.start(http_options={"host": "127.0.0.1", "port": local.http_port})
        yield local
        serve.shutdown()
        ray.shutdown()


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
