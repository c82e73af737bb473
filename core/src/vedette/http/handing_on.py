"""What an application needs that hands requests on to the monitors: bounded bodies, and paths that do not climb."""

from __future__ import annotations

from starlette.types import Receive, Scope

# of one connection, and no business of the next one's
HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade"})


class TooLarge(ValueError):
    """The body is longer than what is handed on."""


class Gone(OSError):
    """The client does not wait any longer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """All of a request's body. Raises TooLarge beyond `limit` bytes, and Gone where the client left before its end."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLarge(f"body: more than {limit} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


def climbs(scope: Scope) -> bool:
    """Whether a segment of the path, as sent or decoded, is `.` or `..`: out of what is handed on, once resolved."""
    sent = (scope.get("raw_path") or b"").decode("latin-1")
    return any(part in (".", "..") for path in (sent, scope["path"]) for part in path.replace("\\", "/").split("/"))
