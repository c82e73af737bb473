"""The untapped way to the model, for explainers: rows in, outputs out, in the replica that serves."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, Undecodable, decode
from vedette.engine.explain.shape import calls_like, candidates
from vedette_rayserve import asgi
from vedette_rayserve.reply import Reply, failure
from vedette_rayserve.tapping import Instrumentation, tapping_of
from vedette_specs import codec
from vedette_specs.batch import Batch
from vedette_specs.columns import Floats
from vedette_specs.schema import Schema

PREDICT = "__vedette_predict__"


def question(rows: Batch, capture: CaptureSpec) -> bytes:
    """What PREDICT takes."""
    head = {**vars(capture), "attributes": {}, "id": "auto", "time": None}
    return codec.encode({"schema": rows.schema.to_json(), "capture": head, "rows": rows.to_bytes()})


def answer(data: bytes) -> Floats:
    """(n, outputs) float64 of what PREDICT returned."""
    outputs: Floats = codec.decode(data)
    return outputs


def predict_method(cls: type, spec: Instrumentation) -> Callable[..., Awaitable[Reply]]:
    """A method for a subclass of `cls` that predicts rows with the user's own method, past the tap."""

    async def __vedette_predict__(self: Any, message: bytes) -> Reply:
        try:
            asked = codec.decode(message)
            rows = Batch.from_bytes(asked["rows"], Schema.from_json(asked["schema"]))
            model = Model(self, cls, spec.capture.method)
            outputs = await model.outputs(rows, CaptureSpec(**asked["capture"]))
            return ("ok", codec.encode(outputs))
        except Exception as error:  # a stranger's model; the broker gets the reason
            return failure(error)

    return __vedette_predict__


class Model:
    """A replica's object and the method that predicts."""

    def __init__(self, instance: Any, cls: type, method: str) -> None:
        self.tapping = tapping_of(instance)
        self.instance = instance
        self.asgi = any(base.__name__ == "ASGIAppReplicaWrapper" for base in cls.__mro__)
        self.function = getattr(cls, "__call__" if self.asgi else method)

    async def outputs(self, rows: Batch, capture: CaptureSpec) -> Floats:
        """(n, classes) probabilities, one-hot classes where the model tells none, or (n, 1) values."""
        example = self.tapping.example or await self.found(rows, capture)
        calls = calls_like(example, rows, capture.inputs)
        return np.concatenate([outputs_of(await self.answered(call), rows.schema, capture) for call in calls])

    async def found(self, rows: Batch, capture: CaptureSpec) -> Call:
        """An example that this model understands, found by trying; remembered."""
        one = rows.take(np.array([0]))
        reasons = []
        for http in (True, False) if not self.asgi else (True,):
            for call in candidates(one, http=http):
                try:
                    outputs_of(await self.answered(call), rows.schema, capture)
                except Exception as error:  # a stranger's model refuses in its own way
                    reasons.append(f"{type(error).__name__}: {error}")
                    continue
                self.tapping.example = call
                return call
        raise Undecodable("model", reasons[0], "a model that was called before, or takes V1, V2, MLflow, records")

    async def answered(self, call: Call) -> Call:
        """The call with the model's answer in it."""
        if call.request is None:
            result = await self._run(*call.args, **call.kwargs)
        elif self.asgi:
            where = self.tapping.where
            exchange = await asgi.request(self._bound(), where["path"], _json(call.request), where["root_path"])
            return Call(request=call.request, response=exchange.response.joined(), status=exchange.status)
        else:
            body = _json(call.request)
            scope = asgi.post_scope(self.tapping.where["path"], len(body))
            request = Request(scope, asgi.received(body))
            await request.body()  # for models that are not async
            result = await self._run(request)
        status = getattr(result, "status_code", 200)
        return Call(request=call.request, args=call.args, kwargs=call.kwargs, response=result, status=status)

    async def _run(self, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(self.function):
            return await self.function(self.instance, *args, **kwargs)
        result = await asyncio.to_thread(self.function, self.instance, *args, **kwargs)
        return await result if inspect.iscoroutine(result) else result

    def _bound(self) -> Callable[..., Awaitable[None]]:
        function, instance = self.function, self.instance
        return lambda scope, receive, send: function(instance, scope, receive, send)


def outputs_of(call: Call, schema: Schema, capture: CaptureSpec) -> Floats:
    if call.status >= 400:
        body = call.response.body if isinstance(call.response, Response) else call.response
        raise Undecodable("response", f"status {call.status}: {body!r}", "a model that answers")
    batch = decode(call, schema, capture)
    if batch.probabilities is not None:
        return batch.probabilities
    if batch.prediction is None:
        raise Undecodable("response", call.response, "predictions or probabilities")
    if batch.prediction.kind == "numeric":
        return np.asarray(batch.prediction.values, dtype=np.float64)[:, None]
    codes = batch.prediction.codes(schema.classes or batch.prediction.categories)
    return np.asarray(codes[:, None] == np.arange(len(schema.classes or batch.prediction.categories)), dtype=np.float64)


def _json(body: Any) -> bytes:
    return json.dumps(body, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
