"""Without tokens nobody but this machine is served."""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from vedette.http.errors import answer


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class LoopbackOnly:
    """Answers requests that name this machine by one of its own names, and refuses others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "localhost")
            name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
            if not is_loopback(name):
                refusal = answer(400, f"host: {host[:80]!r} is not served without a token; use localhost", "host")
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
