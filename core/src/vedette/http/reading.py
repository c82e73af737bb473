"""GET api/...: what the monitors say."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from vedette.engine.run.times import text_seconds
from vedette.http import documents as out
from vedette.http.answers import Json
from vedette.http.errors import HttpError
from vedette.http.state import Shared
from vedette.http.tokens import needs

router = APIRouter(dependencies=[Depends(needs("read"))], responses=out.ERRORS, tags=["results"])
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many, the latest ones")]
Name = Annotated[str | None, Query(max_length=256)]
Time = Annotated[str | None, Query(max_length=40, description="Seconds since the epoch, or ISO 8601")]


@router.get("/api/monitors", response_model=list[out.MonitorOut])
def monitors(state: Shared) -> Response:
    """Declared monitors with their state and latest result."""
    return Json(state.service.monitors())


@router.get("/api/results", response_model=list[out.ResultOut])
def results(
    state: Shared, monitor: Name = None, window: Name = None, segment: Name = None,
    since: Time = None, until: Time = None, limit: Limit = 1000,
) -> Response:  # fmt: skip
    """Results by the end of their windows, oldest first."""
    begin, end = read_time("since", since), read_time("until", until)
    if begin is not None and end is not None and begin > end:
        raise HttpError(422, f"since: {since!r} is after until, {until!r}: they are the wrong way round", "since")
    return Json(list(state.service.results(monitor, window, segment, since=begin, until=end, limit=limit)))


@router.get("/api/alerts", response_model=list[out.AlertOut])
def alerts(
    state: Shared,
    live: Annotated[bool, Query(description="What is pending or firing now, instead of the changes")] = False,
    since: Time = None,
    limit: Limit = 1000,
) -> Response:
    """Changes of alerts, oldest first."""
    return Json(state.service.alerts(live, read_time("since", since), limit))


@router.get("/api/predictions/{id}", response_model=list[out.PredictionOut])
def prediction(state: Shared, id: Annotated[str, Path(max_length=256)]) -> Response:
    """The rows of a request, with their labels."""
    rows = state.service.prediction(id)
    if not rows:
        raise HttpError(404, f"no prediction {id!r} is stored", "id")
    return Json(rows)


@router.get("/api/explanations", response_model=list[out.JobOut])
def explanations(state: Shared, limit: Limit = 100) -> Response:
    """Explanations that monitors asked for, newest first."""
    return Json(state.service.explanations(limit))


@router.get("/api/status", response_model=out.StatusOut)
def status(state: Shared) -> Response:
    """Replicas, leases, watermarks and counters."""
    return Json(state.service.status())


def read_time(name: str, text: str | None) -> float | None:
    """Seconds since the epoch; a time without a zone is UTC."""
    if text is None:
        return None
    value = text_seconds(text)
    if not math.isfinite(value):
        raise HttpError(422, f"{name}: {text!r} is no time; allowed: seconds since the epoch, or ISO 8601", name)
    return value
