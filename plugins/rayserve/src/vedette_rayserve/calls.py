"""Serve's requests and answers as calls for the tap; None for what is no prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from vedette.engine.capture.call import Call
from vedette_rayserve.exchange import Exchange
from vedette_rayserve.graph import request_id

SKIP = b"seldon-skip-logging"  # how other systems' explainers ask not to be logged
UNREADABLE = b""  # a body that the model consumed as a stream, or that was too long: counted as undecodable


def call_of(args: tuple[Any, ...], kwargs: Mapping[str, Any], answer: Any) -> Call | None:
    """A method's call: over HTTP with a starlette Request, or by handle with any arguments."""
    request = http_request(args, kwargs)
    if request is None:
        return Call(args=args, kwargs=kwargs, response=answer, request_id=request_id() or None)
    headers = dict(request.scope["headers"])
    body = _body(request)
    if body is None or SKIP in headers:
        return None
    return Call(
        request=body,
        response=answer,
        headers=headers,
        status=getattr(answer, "status_code", 200),
        request_id=_request_id(headers),
    )


def call_of_exchange(exchange: Exchange, endpoint: str) -> Call | None:
    """An ASGI request. endpoint: name of the route's function; `__call__` for every route that was sent a body."""
    scope = exchange.scope
    headers = dict(scope["headers"])
    if SKIP in headers:
        return None
    if endpoint != "__call__" and getattr(scope.get("endpoint"), "__name__", None) != endpoint:
        return None
    body: Any = exchange.request.joined()
    if body is None:
        body = UNREADABLE
    elif not body:
        body = _query(scope) if endpoint != "__call__" else None
    if body is None:
        return None
    return Call(
        request=body,
        response=exchange.response.joined(),
        headers=headers,
        status=exchange.status,
        request_id=_request_id(headers),
    )


def http_request(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request | None:
    """The starlette Request that the method was called with, if it was called over HTTP."""
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Request)), None)


def _body(request: Request) -> Any:
    """What the model read: starlette keeps a body that was asked for. The query where there is none."""
    body = getattr(request, "_body", None)
    if body:
        return body
    if getattr(request, "_stream_consumed", False):
        return UNREADABLE
    return _query(request.scope)


def _query(scope: Mapping[str, Any]) -> dict[str, str] | None:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))) or None


def _request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """X-Request-Id: Serve's proxy adds it to a request that has none, and returns it to the client."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given or request_id() or None
