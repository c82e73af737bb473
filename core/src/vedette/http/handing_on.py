"""What an application leaves out that hands requests on to the monitors: headers, and paths that climb."""

from __future__ import annotations

from starlette.types import Scope

# of one connection, and no business of the next one's
HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade"})


def climbs(scope: Scope) -> bool:
    """Whether a segment of the path, as sent or decoded, is `.` or `..`: out of what is handed on, once resolved."""
    sent = (scope.get("raw_path") or b"").decode("latin-1")
    return any(part in (".", "..") for path in (sent, scope["path"]) for part in path.replace("\\", "/").split("/"))
