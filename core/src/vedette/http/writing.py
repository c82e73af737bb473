"""POST feedback, and what taps need: api/tap and api/ingest/{pool}."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends
from starlette.responses import Response

from vedette.engine.service import BadRequest
from vedette.engine.tap.transport import Applies
from vedette.http import documents as out
from vedette.http.answers import Json
from vedette.http.bodies import BINARY, MAX_MESSAGE, Body, body, document
from vedette.http.errors import HttpError
from vedette.http.state import Shared, State
from vedette.http.tokens import needs
from vedette_specs.codec import CodecError

router = APIRouter(dependencies=[Depends(needs("write"))], responses=out.ERRORS)
MAX_ROW = 2**31 - 1


@router.post(
    "/feedback", status_code=202, response_model=out.Accepted, tags=["feedback"],
    openapi_extra=document(out.FEEDBACK, out.FEEDBACK_EXAMPLE),
)  # fmt: skip
def feedback(state: Shared, given: Annotated[Body, Depends(body())]) -> Response:
    """Store labels, all or none. They may come before their predictions, twice, and from several annotators."""
    value = given.json()
    single = isinstance(value, dict)
    items: Any = [value] if single else value
    if not isinstance(items, list):
        raise HttpError(400, "body: feedback is an object with `id` and `labels`, or a list of such objects", "body")
    for i, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("row"), int) and item["row"] > MAX_ROW:
            raise HttpError(400, f"row: {item['row']} is not a row number (0, 1, ...)", _field(f"[{i}].row", single))
    try:
        return Json({"accepted": state.service.feedback(items)}, 202)
    except BadRequest as error:
        field = _field(error.field, single)
        raise HttpError(400, f"{field}{str(error).removeprefix(error.field)}", field) from error
    except OverflowError as error:
        raise HttpError(400, f"label: a number is too large ({error})", "label") from error


def _field(field: str, single: bool) -> str:
    """Without its index where there was no list."""
    return (field.removeprefix("[0]").lstrip(".") or "body") if single else field


@router.get("/api/tap", tags=["tap"])
def tap(state: Shared) -> Response:
    """What a tap needs to know to ship batches here."""
    return Json(state.service.tap_plan().to_json())


@router.post(
    "/api/ingest/{pool}", status_code=204, tags=["tap"],
    openapi_extra=document({"type": "string", "format": "binary"}, None, BINARY),
)  # fmt: skip
async def ingest(pool: str, state: Shared, given: Annotated[Body, Depends(body(MAX_MESSAGE, BINARY))]) -> Response:
    """Take one message of a tap; answered when it is committed. 429 where the pool is behind."""
    worker = _worker(state, pool)
    await anyio.to_thread.run_sync(_apply, worker, given, limiter=state.ingests)
    return Response(status_code=204)


def _worker(state: State, pool: str) -> Applies:
    if state.workers is None:
        raise HttpError(404, "batches are not taken here: the pools run elsewhere", "pool")
    if pool not in state.workers:
        raise HttpError(404, f"pool {pool!r} does not exist; there are: {', '.join(state.workers)}", "pool")
    return state.workers[pool]


def _apply(worker: Applies, given: Body) -> None:
    try:
        worker.apply(given.unpack())
    except CodecError as error:
        raise HttpError(400, f"body: {error}", "body") from error
    except Exception as error:
        if (seconds := getattr(error, "retry_after", None)) is None:
            raise
        raise HttpError(429, str(error), headers={"Retry-After": f"{float(seconds):g}"}) from error
