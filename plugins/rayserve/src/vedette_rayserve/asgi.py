"""ASGI ingresses (@serve.ingress): messages pass through untouched while a bounded copy is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from vedette.engine.capture.exchange import Exchange, Message, Receive, Scope, Send
from vedette_rayserve.tapping import tapping_of


def tapped_asgi(cls: Any) -> Callable[..., Awaitable[None]]:
    """`__call__` for a subclass of an ASGI ingress. Websockets and lifespan are passed through."""

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await cls.__call__(self, scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        await cls.__call__(self, scope, exchange.receive, exchange.send)
        tapping_of(self).exchanged(exchange)

    return __call__


async def request(app: Callable[..., Awaitable[None]], path: str, body: bytes, root_path: str = "") -> Exchange:
    """POST a JSON body to an ASGI application in this process, and return what was answered."""
    exchange = Exchange(post_scope(path, len(body), root_path), received(body), _ignore)
    await app(exchange.scope, exchange.receive, exchange.send)
    return exchange


def post_scope(path: str, length: int, root_path: str = "") -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(length).encode())],
        "client": None,
        "server": None,
    }


def received(body: bytes) -> Receive:
    """An ASGI receive that gives one body; afterwards the client waits for its answer for ever."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    return receive


async def _ignore(message: Message) -> None:
    """What an exchange of our own sends is kept by the exchange."""
