"""Without tokens nobody but this machine is served."""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vedette.http.answers import answer


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


# set by proxies, which stand on this machine and speak for others
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})


class LoopbackOnly:
    """Answers requests of this machine that name it by one of its own names, and refuses others.

    Others are: another machine's (403), those that come through a proxy (403), and those that name another host
    (400): a browser sends them for a site whose name was made to lead here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


def _refusal(scope: Scope) -> Response | None:
    headers = Headers(scope=scope)
    client = scope.get("client")  # None where the connection is a Unix socket
    if client is not None and not is_loopback(client[0]):
        return answer(403, "without server.tokens only this machine is served")
    if through := sorted(FORWARDED & set(headers)):
        return answer(403, f"{through[0]}: without server.tokens nobody is served through a proxy", through[0])
    host = headers.get("host", "localhost")
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if not is_loopback(name):
        return answer(400, f"host: {host[:80]!r} is not served without a token; use localhost", "host")
    return None
