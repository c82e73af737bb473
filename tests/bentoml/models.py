"""Services as their users wrote them: nothing of Vedette in here."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import numpy as np
import pandas as pd
from bentoml.validators import DType, Shape
from pydantic import BaseModel

import bentoml
from vedette.testing.platforms.model import FEATURES, answer, probabilities

Matrix = Annotated[np.ndarray, DType("float64"), Shape((-1, 3))]


class Person(BaseModel):
    """One row."""

    a: float
    b: float
    c: float | None = None


@bentoml.service(workers=2, threads=4)
class Model:
    """Rows in, classes and probabilities out."""

    @bentoml.api
    def predict(self, instances: list[dict[str, float | None]]) -> dict[str, Any]:
        return answer(instances)


def pieces(rows: Any) -> Iterator[str]:
    """JSON, bit by bit."""
    text = json.dumps(answer([dict(zip(FEATURES, row, strict=True)) for row in np.asarray(rows).tolist()]))
    for start in range(0, len(text), 10):
        yield text[start : start + 10]


def many() -> Any:
    """A service with an endpoint of every kind; a new one each time, since watching changes it."""

    @bentoml.service(metrics={"enabled": False})  # Prometheus takes those of one service a process
    class Many:
        @bentoml.api
        def arrays(self, rows: Matrix) -> Matrix:
            return probabilities(rows)

        @bentoml.api
        async def frame(self, rows: pd.DataFrame) -> list[float]:
            return [float(value) for value in probabilities(rows[list(FEATURES)])[:, 1]]

        @bentoml.api
        def model(self, person: Person, /) -> dict[str, Any]:
            return answer([person.model_dump()])

        @bentoml.api
        def features(self, a: float, b: float, c: float = 0.0) -> str:
            return str(answer([{"a": a, "b": b, "c": c}])["predictions"][0])

        @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=2000)
        def batched(self, rows: Matrix) -> Matrix:
            time.sleep(0.02)  # others join the batch meanwhile
            return probabilities(rows)

        @bentoml.api
        def stream(self, rows: Matrix) -> Iterator[str]:
            yield from pieces(rows)

        @bentoml.api
        async def astream(self, rows: Matrix) -> AsyncIterator[str]:
            for piece in pieces(rows):
                yield piece

        @bentoml.api
        def context(self, rows: Matrix, ctx: bentoml.Context) -> list[float]:
            ctx.response.headers["x-mine"] = "yes"
            if not len(rows):
                ctx.response.status_code = 422
            return [float(value) for value in probabilities(rows)[:, 1]]

        @bentoml.api
        def raises(self, rows: Matrix) -> list[float]:
            raise RuntimeError("the model is not well")

    return Many
