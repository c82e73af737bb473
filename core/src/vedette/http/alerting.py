"""api/silences, and POST api/alerts/{rule}/acknowledge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from vedette.http import documents as out
from vedette.http.answers import Json
from vedette.http.bodies import Body, body, document
from vedette.http.errors import HttpError
from vedette.http.state import Shared
from vedette.http.tokens import needs

router = APIRouter(responses=out.ERRORS, tags=["alerting"])
Given = Annotated[Body, Depends(body())]


@router.get("/api/silences", response_model=list[out.SilenceOut], dependencies=[Depends(needs("read"))])
def silences(
    state: Shared, over: Annotated[bool, Query(description="Those too that are over, while they are kept")] = False
) -> Response:
    """Silences, newest first."""
    return Json(state.service.alerting.silences(over))


@router.post(
    "/api/silences", status_code=201, response_model=out.SilenceOut, dependencies=[Depends(needs("write"))],
    openapi_extra=document(out.SILENCE, out.SILENCE_EXAMPLE),
)  # fmt: skip
def silence(state: Shared, given: Given) -> Response:
    """Keep the events of a rule's alerts from the sinks for a while. What fires still at its end is sent then, once."""
    return Json(state.service.alerting.silence(given.json()), 201)


@router.delete("/api/silences/{id}", response_model=out.SilenceOut, dependencies=[Depends(needs("write"))])
def end_silence(state: Shared, id: Annotated[str, Path(max_length=32)]) -> Response:
    """End a silence before its time."""
    found = state.service.alerting.end_silence(id)
    if found is None:
        raise HttpError(404, f"there is no silence {id!r}", "id")
    return Json(found)


@router.post(
    "/api/alerts/{rule}/acknowledge", response_model=out.AlertOut, dependencies=[Depends(needs("write"))],
    openapi_extra=document(out.ACKNOWLEDGE, out.ACKNOWLEDGE_EXAMPLE),
)  # fmt: skip
def acknowledge(state: Shared, rule: Annotated[str, Path(max_length=128)], given: Given) -> Response:
    """Say that somebody looks after a pending or firing alert; ends with it."""
    found = state.service.alerting.acknowledge(rule, given.json())
    if found is None:
        raise HttpError(404, f"rule: {rule!r} is neither pending nor firing there", "rule")
    return Json(found)
