"""What the tap keeps of one request while it is answered: bounded copies of bodies and streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from vedette.engine.capture.call import weight

LIMIT = 4 << 20  # bytes of one body that are kept; a longer one is counted as undecodable
PIECES = bytes | str | bytearray | memoryview  # of one body; a stream's other items stay items
Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


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
