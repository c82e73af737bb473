"""A fast classifier of three features, as a user would write it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray import serve
from starlette.requests import Request

FEATURES = ("a", "b", "c")


def probabilities(rows: np.ndarray) -> np.ndarray:
    """(n,) chance of class 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-(rows[:, 0] + 0.5 * rows[:, 1]))))


@serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=32)
class Scorer:
    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        rows = [[row[name] for name in FEATURES] for row in body["instances"]]
        chance = probabilities(np.array(rows, dtype=float))
        return {"predictions": [str(int(p >= 0.5)) for p in chance], "probabilities": chance.tolist()}


app = Scorer.bind()
