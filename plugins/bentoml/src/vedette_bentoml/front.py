"""`/vedette` beside the model: requests are handed on to the services of the pools, so that none of their work is done
in the model's process."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio.to_thread
import httpx
from starlette.types import Receive, Scope, Send

from vedette.http.answers import answer
from vedette.http.handing_on import HOP, climbs
from vedette.http.incoming import BODY_TIMEOUT, Bodies, Crowded, Gone, Slow, TooLarge, unread
from vedette.http.loopback import LoopbackOnly
from vedette_bentoml import graph

if TYPE_CHECKING:
    from vedette_bentoml.graph import Neighbour

log = logging.getLogger("vedette.bentoml")
EXPLAIN_TIMEOUT = 60.0
TIMEOUT = 10.0  # while all workers of a service are down, its socket takes requests all the same, and answers none
CONNECT_TIMEOUT = 5.0
_OURS = frozenset({b"content-length", b"accept-encoding"})  # the client that asks for us sets its own
KEPT = httpx.Limits(max_connections=32, keepalive_expiry=2.0)  # less than a server of BentoML keeps a connection: 5 s
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass
class Front:
    """An ASGI application. pool: whose service has the API.  explainers: that of `explain`, where there are any.

    guarded: whether tokens are asked for; where none are, only this machine is served.
    """

    path: str
    pool: Neighbour
    explainers: Neighbour | None
    guarded: bool
    max_body: int
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bodies = Bodies(self.max_body, BODY_TIMEOUT, setting="server.max_body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif climbs(scope):  # out of what is asked for a token, once a client has resolved it
            await answer(404, "not found")(scope, receive, send)
        elif self.guarded:
            await self._serve(scope, receive, send)
        else:
            await LoopbackOnly(self._serve)(scope, receive, send)

    async def close(self) -> None:
        while self._clients:
            await self._clients.popitem()[1].aclose()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        neighbour = self.explainers if self._explains(scope) and self.explainers is not None else self.pool
        where = graph.address(neighbour.on)
        if where is None:
            local = await anyio.to_thread.run_sync(neighbour.local)  # the first time it takes a while
            await local.public(_below(scope, self.path), receive, send)
            return
        try:
            async with self._bodies.reading(receive) as body:
                reply = await self._asked(scope, body, *where)
        except Gone:
            return
        except (TooLarge, Slow, Crowded) as error:
            await unread(error)(scope, receive, send)
        except httpx.HTTPError as error:
            log.warning("the monitors do not answer: %s: %s", type(error).__name__, error)
            await answer(503, "the monitors do not answer")(scope, receive, send)
        else:
            await send(
                {"type": "http.response.start", "status": reply.status_code, "headers": _kept(reply.headers.raw, HOP)}
            )
            await send({"type": "http.response.body", "body": reply.content})

    async def _asked(self, scope: Scope, body: bytes, url: str, path: str | None) -> httpx.Response:
        """Once more where a connection breaks: its worker may have died, and others have not.

        What writes is not repeated unless no connection was made: a worker may have stored it and died before it said
        so, and labels without a time of their own, or a silence, would be there twice. The client gets 503, and knows.
        """
        headers = [*_kept(scope["headers"], HOP | _OURS), (b"accept-encoding", b"identity")]
        client = self._client(url, path)
        patience = EXPLAIN_TIMEOUT if self._explains(scope) else TIMEOUT
        asked = client.build_request(
            scope["method"], _target(scope), headers=headers, content=body,
            timeout=httpx.Timeout(patience, connect=CONNECT_TIMEOUT),
        )  # fmt: skip
        try:
            return await client.send(asked)
        except _BROKEN as error:
            if not (isinstance(error, httpx.ConnectError) or scope["method"] in _SAFE or self._explains(scope)):
                raise
            return await client.send(asked)

    def _explains(self, scope: Scope) -> bool:
        return bool(scope["path"].startswith(f"{self.path}/explain") and scope["method"] == "POST")

    def _client(self, url: str, path: str | None) -> httpx.AsyncClient:
        key = path or url
        if key not in self._clients:
            transport = httpx.AsyncHTTPTransport(uds=path, limits=KEPT)
            self._clients[key] = httpx.AsyncClient(
                base_url=url, transport=transport, trust_env=False, follow_redirects=False
            )
        return self._clients[key]


def _below(scope: Scope, path: str) -> Scope:
    """The scope as an application mounted at `path` gets it."""
    return {**scope, "root_path": path}


def _target(scope: Scope) -> str:
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _kept(headers: Iterable[tuple[bytes, bytes]], without: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in without]
