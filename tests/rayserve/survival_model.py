"""A classifier that says how much its tap held at most, and two applications that nobody watches."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ray import serve
from starlette.requests import Request
from tests.rayserve.kill_model import probabilities

SMALL = {"num_cpus": 0.1}


@serve.deployment(ray_actor_options=SMALL, max_ongoing_requests=32)
class Scorer:
    def __init__(self) -> None:
        self.peak = {"rows": 0, "bytes": 0}

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        chance = probabilities(np.array(body["instances"], dtype=float))
        self._look()
        return {"predictions": [str(int(p >= 0.5)) for p in chance], "probabilities": chance.tolist()}

    def held(self) -> dict[str, int]:
        """The most that the tap held at any prediction."""
        return self.peak

    def _look(self) -> None:
        tapping = getattr(self, "_vedette_tapping", None)
        if tapping is not None and tapping._tap is not None:
            held = tapping._tap._held
            self.peak = {"rows": max(self.peak["rows"], held.rows), "bytes": max(self.peak["bytes"], held.bytes)}


@serve.deployment(ray_actor_options=SMALL)
class Stranger:
    """Answers with a number that it drew when it started: another process would give another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.drawn = np.random.default_rng().integers(2**62)

    def __call__(self, request: Request) -> dict[str, Any]:
        return {"name": self.name, "drawn": str(self.drawn), "pid": os.getpid()}


app = Scorer.bind()
first = Stranger.bind("first")
second = Stranger.bind("second")
