"""The kit's model as an application of Ray Serve, as a user would write it."""

from __future__ import annotations

from typing import Any

from ray import serve
from starlette.requests import Request

from vedette.testing.platforms.model import answer


@serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=32, graceful_shutdown_wait_loop_s=0.2)
class Scorer:
    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return answer(body["instances"])


app = Scorer.bind()
