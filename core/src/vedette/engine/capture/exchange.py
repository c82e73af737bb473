"""What the tap keeps of one request while it is answered: bounded copies of bodies and streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from vedette.engine.capture.call import Call, weight

LIMIT = 4 << 20  # bytes of one body that are kept; a longer one is counted as undecodable
PIECES = bytes | str | bytearray | memoryview  # of one body; a stream's other items stay items
SKIP = b"seldon-skip-logging"  # how other systems' explainers ask not to be logged
REFUSED = 400  # and higher: statuses of a model that has made no prediction
UNREADABLE = b""  # a body that the model consumed as a stream, or that was too long: counted as undecodable
Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Bounded:
    """The bytes of a body, or the items of a stream, up to LIMIT."""

    parts: list[Any] = field(default_factory=list)
    size: int = 0

    def add(self, item: Any) -> None:
        try:
            self.size += weight(item)
        except Exception:  # a stranger's object: the whole is counted as undecodable, and the model does not suffer
            self.size += LIMIT + 1
        if self.size <= LIMIT:
            # what the model may fill again with its next piece is copied
            self.parts.append(bytes(item) if isinstance(item, bytearray | memoryview) else item)
        else:
            self.parts.clear()

    def joined(self) -> Any:
        """The whole body as bytes, or the items as a list; None where it did not fit."""
        if self.size > LIMIT:
            return None
        if all(isinstance(part, PIECES) for part in self.parts):
            return b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in self.parts)
        return self.parts


class Exchange:
    """What an HTTP request and its response said, as far as it fits."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.root_path = scope.get("root_path", "")  # routers below change it
        self.status = 0
        self.response_headers: list[tuple[bytes, bytes]] = []
        self.request = Bounded()
        self.response = Bounded()
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.request.add(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.response_headers = message.get("headers", [])
        elif message["type"] == "http.response.body":
            self.response.add(message.get("body", b""))
        await self._send(message)


def call_of(exchange: Exchange, request_id: str | None = None, query: bool = False) -> Call | None:
    """The exchange as a call for the tap; None where the caller asked not to be logged, or sent nothing. A POST that
    sent nothing and was refused is one that failed.

    request_id: where the request names none.  query: whether the query stands in for a body that is empty.
    """
    headers = dict(exchange.scope["headers"])
    if SKIP in headers:
        return None
    body: Any = exchange.request.joined()
    if body is None:
        body = UNREADABLE
    elif not body:
        body = query_of(exchange.scope) if query else None
    if body is None and not (exchange.status >= REFUSED and exchange.scope["method"] == "POST"):
        return None
    return Call(
        request=body,
        response=exchange.response.joined(),
        headers=headers,
        status=exchange.status,
        request_id=given_id(headers) or request_id,
    )


def query_of(scope: Mapping[str, Any]) -> dict[str, str] | None:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))) or None


def given_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The request's own X-Request-Id."""
    return headers.get(b"x-request-id", b"").decode("latin-1") or None
