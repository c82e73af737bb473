"""ASGI middleware for a model's own application: messages pass untouched while a bounded copy is shown to the tap."""

from __future__ import annotations

from collections.abc import Collection

from vedette.engine.capture.exchange import App, Exchange, Message, Receive, Scope, Send, call_of, given_id
from vedette.engine.tap.lazy import LazyTap

REQUEST_ID = b"x-request-id"
FAILED = 500  # of an application that raises


class Tapped:
    """Shows POST requests of some paths, and their responses, to a tap.

    paths: of the model's endpoints.  request_ids: whether a response says its request's id, minted where the client
    gave none, so that labels can name it; without it the answers are byte for byte the application's own.
    """

    def __init__(self, app: App, tap: LazyTap, paths: Collection[str], *, request_ids: bool = True) -> None:
        self.app = app
        self.tap = tap
        self.paths = frozenset(paths)
        self.request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self.paths:
            await self.app(scope, receive, send)
            return
        identity = given_id(dict(scope["headers"])) or self.tap.new_id()
        exchange = Exchange(scope, receive, _identified(send, identity) if self.request_ids else send)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            exchange.status = FAILED  # what its server will say, or cannot say any more
            self._show(exchange, identity)
            raise
        self._show(exchange, identity)

    def _show(self, exchange: Exchange, identity: str) -> None:
        try:
            call = call_of(exchange, identity)
        except Exception as error:  # the model must not suffer
            self.tap.failed(error)
        else:
            self.tap.offer(call)


def _identified(send: Send, identity: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", []) if pair[0].lower() != REQUEST_ID]
            message = {**message, "headers": [*headers, (REQUEST_ID, identity.encode("latin-1", "replace"))]}
        await send(message)

    return sending
