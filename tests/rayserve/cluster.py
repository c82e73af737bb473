"""One real Ray, with ports and files of its own; importing this imports ray."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what pydantic has deprecated
    import ray
    from ray import serve

from vedette_rayserve.local import LocalRay

ROOT = Path(__file__).parents[2]


@contextmanager
def running_cluster() -> Iterator[LocalRay]:
    with LocalRay(cpus=4, environment={"PYTHONPATH": str(ROOT)}) as local, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of its imports and threads
        ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
        serve.start(http_options={"host": "127.0.0.1", "port": local.http_port})
        yield local
        serve.shutdown()
        ray.shutdown()
