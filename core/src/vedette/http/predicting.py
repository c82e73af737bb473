"""The model under V2 and V1, so that its clients need not know that it is watched."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import anyio
import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, decode
from vedette.engine.capture.body import read_body
from vedette.engine.explain.gateway import Answer, Gateway
from vedette.engine.service import Service
from vedette.engine.tap.tap import Tap
from vedette.http import documents as out
from vedette.http.answers import Json
from vedette.http.bodies import Body, body, document
from vedette.http.errors import HttpError
from vedette.http.explain import explained
from vedette.http.state import Shared, State
from vedette.http.tokens import needs
from vedette_specs.batch import Batch
from vedette_specs.convert import label_column

MAX_PREDICTIONS = 32  # at a time: those beyond wait without a thread
_SKIP = ("true", "on", "1")
_ANY = Depends(body(types=None))
_EXTRA = document(out.PREDICT, {"instances": [{"age": 39, "workclass": "Private"}]})
router = APIRouter(tags=["model"], responses=out.ERRORS)
writes = [Depends(needs("write"))]


@dataclass(frozen=True)
class ServedModel:
    """A model that this process serves; `tap` sees what it answers."""

    service: Service
    gateway: Gateway
    tap: Tap | None = None
    running: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_PREDICTIONS))

    @property
    def version(self) -> str:
        return self.service.plan.model_version or ""

    def predict(self, given: Body, headers: dict[str, str]) -> Predicted:
        """Raises Undecodable, HttpError or GatewayError."""
        data = given.unpack()
        content = read_body(data, "body", given.content_type)
        identity = headers.get("x-request-id") or None
        call = Call(request=content, headers=headers, request_id=identity)
        plan = self.service.plan
        asked = CaptureSpec(
            prediction="none", probabilities="none", id=plan.capture.id, time=plan.capture.time,
            attributes=plan.capture.attributes,
        )  # fmt: skip
        rows = decode(call, plan.schema, asked)
        answer = self.gateway.answer(rows)
        ids = rows.ids if rows.ids is not None else _repeat(self._mint(), len(rows))
        if not _skipped(headers) and self.tap is not None:
            seen = label_column(answer.prediction, plan.schema)
            self.tap.offer_batch(replace(rows, ids=ids, prediction=seen, probabilities=answer.probabilities))
        return Predicted(identity or str(ids[0]), rows, content, answer)

    def _mint(self) -> str:
        return self.tap.new_id() if self.tap is not None else uuid.uuid4().hex


@dataclass(frozen=True)
class Predicted:
    """id: of the request.  content: the request's JSON."""

    id: str
    rows: Batch
    content: Any
    answer: Answer

    @property
    def probabilities(self) -> list[list[float]] | None:
        found = self.answer.probabilities
        return None if found is None else found.tolist()


@router.get("/v2")
def server() -> Response:
    """About this server."""
    from importlib.metadata import version

    return Json({"name": "vedette", "version": version("vedette"), "extensions": []})


@router.get("/v2/health/live")
def live() -> Response:
    return Json({"live": True})


@router.get("/v2/health/ready")
def ready() -> Response:
    return Json({"ready": True})


@router.get("/v2/models/{model}/ready")
@router.get("/v2/models/{model}/versions/{version}/ready", include_in_schema=False)
def model_ready(model: str, state: Shared) -> Response:
    return Json({"name": _served(state, model).service.model, "ready": True})


@router.get("/v1/models/{model}")
def model_v1(model: str, state: Shared) -> Response:
    return Json({"name": _served(state, model).service.model, "ready": True})


@router.get("/v2/models/{model}", dependencies=[Depends(needs("read"))])
@router.get("/v2/models/{model}/versions/{version}", include_in_schema=False, dependencies=[Depends(needs("read"))])
def model_v2(model: str, state: Shared) -> Response:
    """Inputs and outputs of the model."""
    found = _served(state, model)
    schema = found.service.plan.schema
    inputs = [
        {"name": name, "datatype": "BYTES" if kind in ("category", "text") else "FP64",
         "shape": [-1, 1] if kind in ("category", "text", "numeric") else [-1, -1]}
        for name, kind in schema.features.items()
    ]  # fmt: skip
    datatype = "FP64" if schema.task == "regression" else "BYTES"
    outputs: list[dict[str, Any]] = [{"name": "predict", "datatype": datatype, "shape": [-1, 1]}]
    if schema.classes:
        outputs.append({"name": "predict_proba", "datatype": "FP64", "shape": [-1, len(schema.classes)]})
    versions = [found.version] if found.version else []
    return Json({"name": model, "versions": versions, "platform": "vedette", "inputs": inputs, "outputs": outputs})


@router.post("/v2/models/{model}/infer", dependencies=writes, openapi_extra=_EXTRA)
@router.post("/v2/models/{model}/versions/{version}/infer", include_in_schema=False, dependencies=writes)
async def infer(model: str, request: Request, state: Shared, given: Annotated[Body, _ANY]) -> Response:
    """Predict, V2: output `predict`, and `predict_proba` where the model gives probabilities."""
    found = _served(state, model)
    done = await _predict(found, request, given)
    content = done.content if isinstance(done.content, dict) else {}
    echoed = content["id"] if isinstance(content.get("id"), str) and content["id"] else done.id
    outputs = _wanted(_outputs(done), content.get("outputs"))
    reply: dict[str, Any] = {"model_name": found.service.model, "id": echoed, "outputs": outputs}
    if found.version:
        reply["model_version"] = found.version
    return Json(reply, headers={"X-Request-Id": done.id})


@router.post("/v1/models/{model}:predict", dependencies=writes, openapi_extra=_EXTRA)
async def predict_v1(model: str, request: Request, state: Shared, given: Annotated[Body, _ANY]) -> Response:
    """Predict, V1."""
    return _plain(await _predict(_served(state, model), request, given))


@router.post("/predict", dependencies=writes, openapi_extra=_EXTRA)
async def predict(request: Request, state: Shared, given: Annotated[Body, _ANY]) -> Response:
    """Predict rows in any known format."""
    return _plain(await _predict(_served(state, None), request, given))


@router.post("/v1/models/{model}:explain", dependencies=[Depends(needs("explain"))], openapi_extra=_EXTRA)
async def explain_v1(model: str, state: Shared, given: Annotated[Body, _ANY]) -> Response:
    """Explain: one instance as its explanation, several as `explanations`."""
    _served(state, model)
    found = await explained(state, given, None)
    return Json(found[0] if len(found) == 1 else {"explanations": found})


async def _predict(found: ServedModel, request: Request, given: Body) -> Predicted:
    headers = dict(request.headers)
    return await anyio.to_thread.run_sync(found.predict, given, headers, limiter=found.running)


def _served(state: State, name: str | None) -> ServedModel:
    model: ServedModel | None = state.model
    if model is None:
        raise HttpError(404, "no model is served here", "model")
    if name is not None and name != model.service.model:
        raise HttpError(404, f"model {name!r} is not served here; there is: {model.service.model}", "model")
    return model


def _plain(done: Predicted) -> Response:
    reply: dict[str, Any] = {"predictions": done.answer.prediction}
    if done.probabilities is not None:
        reply["probabilities"] = done.probabilities
    return Json(reply, headers={"X-Request-Id": done.id})


def _outputs(done: Predicted) -> list[dict[str, Any]]:
    prediction = done.answer.prediction
    numbers = all(isinstance(item, float) for item in prediction)
    shape = [len(prediction), 1]
    found = [{"name": "predict", "shape": shape, "datatype": "FP64" if numbers else "BYTES", "data": prediction}]
    if done.answer.probabilities is not None:
        array = done.answer.probabilities
        found.append(
            {"name": "predict_proba", "shape": list(array.shape), "datatype": "FP64", "data": array.ravel().tolist()}
        )
    return found


def _wanted(outputs: Sequence[dict[str, Any]], asked: Any) -> list[dict[str, Any]]:
    """Those that the request asks for, all where it asks for none."""
    if not isinstance(asked, list) or not asked:
        return list(outputs)
    names = [item.get("name") if isinstance(item, dict) else None for item in asked]
    there = {output["name"]: output for output in outputs}
    if wrong := [name for name in names if name not in there]:
        raise HttpError(400, f"outputs: {wrong[0]!r} does not exist; allowed: {', '.join(there)}", "outputs")
    return [there[name] for name in names]


def _skipped(headers: dict[str, str]) -> bool:
    """Calls of explainers are no traffic."""
    asked = headers.get("seldon-skip-logging", "").lower() in _SKIP
    return asked or headers.get("ce-id", "").startswith("explain-")


def _repeat(text: str, n: int) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.full(n, text, dtype=object)
