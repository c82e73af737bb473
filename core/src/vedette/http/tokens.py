"""Bearer tokens with scopes.

Without any token nobody is asked for one: then whoever runs the application keeps strangers out (`vedette serve` binds
to the loopback only; on a platform its proxy does). GET also takes a token as the password of HTTP Basic, so that
browsers ask for it; no other method does, since a browser would send it on behalf of other sites.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from vedette.http.errors import HttpError
from vedette.http.queries import check_query

Scope = Literal["read", "write", "explain"]
_documented = HTTPBearer(auto_error=False, description="A token of `server.tokens` in monitors.yaml")


class Tokens:
    """Known tokens by their hashes."""

    def __init__(self, scopes: Mapping[str, tuple[str, ...]]) -> None:
        self._known = [(_hash(token.encode()), frozenset(allowed)) for token, allowed in scopes.items()]

    def __bool__(self) -> bool:
        return bool(self._known)

    def scopes(self, token: bytes) -> frozenset[str] | None:
        """What a token allows, None where it is unknown; takes as long whichever it is."""
        given, found = _hash(token), None
        for known, allowed in self._known:
            if hmac.compare_digest(known, given):
                found = allowed
        return found

    def check(self, request: Request, scope: Scope) -> None:
        """Raises HttpError: 401 without a known token, 403 where its scopes do not suffice."""
        if not self._known:
            return
        token = _given(request)
        allowed = self.scopes(token) if token is not None else None
        if allowed is None:
            wrong = "the token is not known" if token is not None else "this needs a token: Authorization: Bearer ..."
            raise HttpError(401, wrong, headers={"WWW-Authenticate": _challenge(request, token)})
        if scope not in allowed:
            challenge = f'Bearer realm="vedette", error="insufficient_scope", scope="{scope}"'
            raise HttpError(403, f"the token lacks the scope {scope!r}", headers={"WWW-Authenticate": challenge})


def needs(scope: Scope) -> Callable[..., Awaitable[None]]:
    """A dependency that lets a request pass whose token has the scope, and whose query is one that the route knows.

    Every route has this one, and strangers hear of their token first.
    """

    async def check(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_documented)] = None
    ) -> None:
        request.app.state.vedette.tokens.check(request, scope)
        check_query(request)

    return check


def _given(request: Request) -> bytes | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip().encode("latin-1")
    if kind.lower() == "basic" and request.method in ("GET", "HEAD"):
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return None


def _challenge(request: Request, token: bytes | None) -> str:
    bearer = 'Bearer realm="vedette"' + (', error="invalid_token"' if token is not None else "")
    page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    return f'{bearer}, Basic realm="vedette (the token is the password)"' if page else bearer


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
