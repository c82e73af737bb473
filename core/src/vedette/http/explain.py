"""POST explain: instances, or a past prediction, explained at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends
from starlette.responses import Response

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, decode
from vedette.engine.explain.broker import ModelCallError
from vedette.engine.explain.explaining import NO_EXPLAINER
from vedette.engine.service import BadRequest, CannotExplain, Service
from vedette.http import documents as out
from vedette.http.answers import Json
from vedette.http.bodies import Body, body, document
from vedette.http.errors import HttpError
from vedette.http.state import Shared, State
from vedette.http.tokens import needs
from vedette_specs.batch import Batch
from vedette_specs.explainers import BudgetExhausted

logger = logging.getLogger("vedette.http")
router = APIRouter(dependencies=[Depends(needs("explain"))], responses=out.ERRORS, tags=["explain"])
LIMITS = ("max_rows", "max_calls", "deadline")
MAX_INSTANCES = 100
INSTANCES_ONLY = CaptureSpec(prediction="none", probabilities="none")
_EXTRA = document(out.EXPLAIN, out.EXPLAIN_EXAMPLE)


@router.post("/explain", response_model=out.ExplanationsOut, openapi_extra=_EXTRA)
async def explain_first(state: Shared, given: Annotated[Body, Depends(body())]) -> Response:
    """Explain with the first explainer that is declared."""
    return Json({"explanations": await explained(state, given, None)})


@router.post("/explain/{explainer}", response_model=out.ExplanationsOut, openapi_extra=_EXTRA)
async def explain_by_name(explainer: str, state: Shared, given: Annotated[Body, Depends(body())]) -> Response:
    """Explain with a named explainer."""
    return Json({"explanations": await explained(state, given, explainer)})


async def explained(state: State, given: Body, explainer: str | None) -> list[dict[str, Any]]:
    """A few explanations at a time: what comes on top is asked to come back, and never waits in line."""
    try:
        state.explains.acquire_on_behalf_of_nowait(given)
    except anyio.WouldBlock as error:
        raise HttpError(429, "too many explanations are being made", headers={"Retry-After": "1"}) from error
    try:
        return await anyio.to_thread.run_sync(_explain, state.service, given, explainer)
    finally:
        state.explains.release_on_behalf_of(given)


def _explain(service: Service, given: Body, explainer: str | None) -> list[dict[str, Any]]:
    options, rest = _options(given.json(), service)
    _check_can(service, explainer, options["target"])
    request = options.pop("id") if not rest else None
    if request is None and not rest:
        raise HttpError(400, "body: give `instances` (or V2 `inputs`), or the `id` of a past prediction", "body")
    limits = {name: options[name] for name in LIMITS if options[name] is not None}
    rows = None if request is not None else _rows(rest, service)
    return _run(service, explainer, rows, request, options["row"], options["target"], limits)


def _run(
    service: Service, explainer: str | None, rows: Batch | None, request: str | None, row: int, target: str,
    limits: Mapping[str, float],
) -> list[dict[str, Any]]:  # fmt: skip
    try:
        return service.explain(rows=rows, request=request, row=row, explainer=explainer, target=target, limits=limits)
    except BadRequest as error:
        raise HttpError(404 if error.field == "id" else 400, str(error), error.field) from error
    except CannotExplain as error:
        raise HttpError(400, str(error), "target") from error
    except BudgetExhausted as error:
        raise HttpError(504, f"no explanation within its limits: {error}", "deadline") from error
    except ModelCallError as error:
        raise HttpError(502, f"the model could not be asked: {error}", "model") from error


def _check_can(service: Service, explainer: str | None, target: str) -> None:
    names = [spec.name for spec in service.plan.explainers]
    if not names:
        raise HttpError(404, NO_EXPLAINER, "explainer")
    if explainer is not None and explainer not in names:
        raise HttpError(404, f"explainer: {explainer!r} does not exist; there are: {', '.join(names)}", "explainer")
    targets = ["model", *(m.name for m in service.plan.monitors if m.kind in ("outlier", "adversarial"))]
    if target not in targets:
        raise HttpError(400, f"target: {target!r} cannot be explained; allowed: {', '.join(targets)}", "target")
    if target == "model" and not service.explaining.has_model:
        raise HttpError(409, "model: nobody can call it here; set model.uri, or explain a detector's score", "target")


def _options(value: Any, service: Service) -> tuple[dict[str, Any], Any]:
    """(options, what is left: the instances). A key that is a feature's name belongs to the instances."""
    options: dict[str, Any] = {"id": None, "row": 0, "target": "model", **dict.fromkeys(LIMITS)}
    if not isinstance(value, Mapping):
        return options, value
    mine = [name for name in options if name in value and name not in service.plan.schema.features]
    options |= {name: value[name] for name in mine}
    _check_options(options)
    return options, {name: item for name, item in value.items() if name not in mine}


def _check_options(options: Mapping[str, Any]) -> None:
    if options["id"] is not None and not isinstance(options["id"], str):
        raise HttpError(400, f"id: {options['id']!r} is not a request id (a string)", "id")
    if not _whole(options["row"]) or not 0 <= options["row"] < 2**31:
        raise HttpError(400, f"row: {options['row']!r} is not a row number (0, 1, ...)", "row")
    if not isinstance(options["target"], str):
        raise HttpError(400, f"target: {options['target']!r} is not `model` or a monitor's name", "target")
    for name in LIMITS:
        value = options[name]
        if value is None:
            continue
        number = _whole(value) or (name == "deadline" and isinstance(value, float))
        if not number or value <= 0:
            kind = "seconds above 0" if name == "deadline" else "1, 2, ..."
            raise HttpError(400, f"{name}: {value!r} is not allowed; allowed: {kind}", name)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _rows(value: Any, service: Service) -> Batch:
    if isinstance(value, str) or not isinstance(value, Mapping | list):
        raise HttpError(400, "body: instances are an object or a list", "body")
    rows = decode(Call(request=value, response=None), service.plan.schema, INSTANCES_ONLY)
    if len(rows) > MAX_INSTANCES:
        most = f"at most {MAX_INSTANCES} are explained at a time"
        raise HttpError(400, f"instances: {len(rows)} rows; {most}", "instances")
    return rows
