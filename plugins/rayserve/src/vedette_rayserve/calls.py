"""Serve's requests and answers as calls for the tap; None for what is no prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from vedette.engine.capture.call import Call
from vedette.engine.capture.exchange import SKIP, UNREADABLE, Exchange, given_id, query_of
from vedette.engine.capture.exchange import call_of as call_of_http
from vedette_rayserve.graph import request_id


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
        request_id=given_id(headers) or request_id() or None,
    )


def call_of_exchange(exchange: Exchange, endpoint: str) -> Call | None:
    """An ASGI request. endpoint: name of the route's function; `__call__` for every route that was sent a body."""
    every = endpoint == "__call__"
    if not every and getattr(exchange.scope.get("endpoint"), "__name__", None) != endpoint:
        return None
    # X-Request-Id: Serve's proxy adds it to a request that has none, and returns it to the client
    return call_of_http(exchange, request_id() or None, query=not every)


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
    return query_of(request.scope)
