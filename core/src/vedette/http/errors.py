"""Errors as JSON: every one has `error`; where one place of the request is wrong, `field` names it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DatabaseError, DataError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from vedette.engine.bad_request import BadRequest, Unknown
from vedette.engine.capture import Undecodable
from vedette.engine.explain.gateway import GatewayError
from vedette.http.answers import answer
from vedette.store.database import StoreError

logger = logging.getLogger("vedette.http")
RETRY_AFTER = 5


class HttpError(Exception):
    """Answered as it says."""

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.headers = headers


def install(app: FastAPI) -> None:
    """Handlers for all that an endpoint may raise."""
    app.add_exception_handler(HttpError, _http_error)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(Undecodable, _undecodable)
    app.add_exception_handler(GatewayError, _gateway)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(ClientDisconnect, _gone)
    for kind in (StoreError, DatabaseError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _store_down)
    app.add_exception_handler(Exception, _unexpected)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)
    return answer(error.status, str(error), error.field, error.headers)


def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}" if error.status_code in (404, 405) else error.detail
    return answer(error.status_code, detail, headers=error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    """The first wrong parameter; its value is not repeated beyond 80 characters."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return answer(422, f"{name}: {first['msg']} (given: {str(first.get('input'))[:80]!r})", name)


def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return answer(404 if isinstance(error, Unknown) else 400, str(error), error.field)


def _undecodable(request: Request, error: Exception) -> Response:
    assert isinstance(error, Undecodable)
    return answer(400, str(error), error.field)


def _gateway(request: Request, error: Exception) -> Response:
    return answer(502, str(error), "model")


def _unstorable(request: Request, error: Exception) -> Response:
    return answer(400, "a value of the request cannot be stored (too large, or not text)")


def _gone(request: Request, error: Exception) -> Response:
    return answer(400, "the client went away")


def _store_down(request: Request, error: Exception) -> Response:
    logger.error("%s %s: the store does not answer: %s", request.method, request.url.path, error)
    # a batch may have been committed all the same: with Retry-After its sender would take it for refused
    headers = None if "/api/ingest/" in request.url.path else {"Retry-After": str(RETRY_AFTER)}
    return answer(503, "the store does not answer", headers=headers)


def _unexpected(request: Request, error: Exception) -> Response:
    return answer(500, f"internal error: {type(error).__name__} (the server's log has more)")
