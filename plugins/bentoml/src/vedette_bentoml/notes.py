"""What is known of the request that is being served: its id and headers, for the functions that it ends up in."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vedette.engine.capture.call import Call
from vedette.engine.capture.exchange import SKIP, App, Message, Receive, Scope, Send, given_id

if TYPE_CHECKING:
    from vedette.engine.tap.lazy import LazyTap
    from vedette_bentoml.keeping import Kept

REQUEST_ID = b"x-request-id"


@dataclass
class Note:
    """shown: whether the tap has seen the request.  given: its arguments, where an endpoint is batchable."""

    id: str
    headers: dict[Any, Any]
    shown: bool = False
    given: Kept | None = None

    @property
    def skipped(self) -> bool:
        return SKIP in self.headers


NOTE: ContextVar[Note | None] = ContextVar("vedette_note", default=None)


class Noted:
    """ASGI middleware: notes a request of a watched endpoint, and says its id in the response."""

    def __init__(self, app: App, tap: LazyTap, paths: Collection[str]) -> None:
        self.app = app
        self.tap = tap
        self.paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self.paths:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        note = Note(given_id(headers) or self.tap.new_id(), headers)
        mark = NOTE.set(note)
        try:
            await self.app(scope, receive, self._sending(send, note))
        finally:
            NOTE.reset(mark)

    def _sending(self, send: Send, note: Note) -> Send:
        identity = note.id.encode("latin-1", "replace")

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400 and not note.shown and not note.skipped:
                    note.shown = True
                    self.tap.offer(Call(status=message["status"], headers=note.headers, request_id=note.id))
                headers = [pair for pair in message.get("headers", []) if pair[0].lower() != REQUEST_ID]
                message = {**message, "headers": [*headers, (REQUEST_ID, identity)]}
            await send(message)

        return sending
