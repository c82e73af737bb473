"""Applications as users write them: none knows of Vedette. Each scores two features, a and b, with a / (a + b)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse


def score(rows: Any) -> list[float]:
    array = np.asarray(rows, dtype=float)
    return [float(value) for value in array[:, 0] / (array[:, 0] + array[:, 1])]


@serve.deployment
class Plain:
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return {"probabilities": [p * self.scale for p in score(body["instances"])]}

    def check_health(self) -> None:
        """Serve calls it; it must be there in the subclass too."""


@serve.deployment
class Answers:
    """Status codes, Response objects, errors."""

    async def __call__(self, request: Request) -> Any:
        body = await request.json()
        if body.get("kind") == "refuse":
            return JSONResponse({"error": "no"}, status_code=422)
        if body.get("kind") == "raise":
            raise ValueError("broken model")
        return JSONResponse({"probabilities": score(body["instances"])}, headers={"x-model": "m1"})


@serve.deployment
class Streaming:
    async def __call__(self, request: Request) -> StreamingResponse:
        body = await request.json()

        async def chunks() -> AsyncIterator[str]:
            yield '{"probabilities": '
            await asyncio.sleep(0)
            yield f"{score(body['instances'])}}}"

        return StreamingResponse(chunks(), media_type="application/json")

    def numbers(self, rows: list[list[float]]) -> Iterator[float]:
        yield from score(rows)

    async def later(self, rows: list[list[float]]) -> AsyncIterator[float]:
        for value in score(rows):
            yield value


@serve.deployment
class ByHandle:
    def predict(self, rows: Any) -> Any:
        return np.asarray(score(rows))

    async def predict_async(self, rows: Any, *, factor: float = 1.0) -> Any:
        return [value * factor for value in score(rows)]

    def other(self) -> str:
        return "untouched"


@serve.deployment
class Batched:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    @serve.batch(max_batch_size=4, batch_wait_timeout_s=0.2)
    async def __call__(self, requests: list[Request]) -> list[Any]:
        self.sizes.append(len(requests))
        bodies = [await request.json() for request in requests]
        return [{"probabilities": score(body["instances"])} for body in bodies]

    def seen(self) -> list[int]:
        return self.sizes


@serve.deployment
class Multiplexed:
    @serve.multiplexed(max_num_models_per_replica=2)
    async def load(self, model_id: str) -> float:
        return float(model_id or 1)

    async def __call__(self, request: Request) -> dict[str, Any]:
        factor = await self.load(serve.get_multiplexed_model_id())
        body = await request.json()
        return {"probabilities": [p * factor for p in score(body["instances"])]}


@serve.deployment
class Warm:
    """Calls itself before it serves, and takes the query instead of a body."""

    def __init__(self) -> None:
        self.warm = self(None)

    def __call__(self, request: Request | None) -> Any:
        rows = [[1.0, 1.0]] if request is None else [[float(request.query_params[n]) for n in ("a", "b")]]
        return {"probabilities": score(rows)}


@serve.deployment
async def function(request: Request) -> Any:
    return {"probabilities": score((await request.json())["instances"])}


@serve.deployment
def plain_function(rows: Any) -> Any:
    return score(rows)


@serve.deployment
class Front:
    def __init__(self, model: DeploymentHandle[Any], others: dict[str, DeploymentHandle[Any]]) -> None:
        self.model = model
        self.others = others

    async def __call__(self, request: Request) -> Any:
        rows = (await request.json())["rows"]
        first = await self.model.predict.remote(rows)
        second = await self.others["second"].predict.remote(rows)
        return {"equal": bool(np.allclose(first, second)), "first": [float(v) for v in first]}
