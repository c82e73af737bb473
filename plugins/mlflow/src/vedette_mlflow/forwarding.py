"""`/vedette` of a scoring process whose monitors run elsewhere: requests are handed on to their API."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from starlette.responses import Response

from vedette.http.answers import answer
from vedette.http.handing_on import HOP, climbs
from vedette.http.incoming import BODY_TIMEOUT, Bodies, Crowded, Gone, Slow, TooLarge, unread
from vedette.http.loopback import LoopbackOnly
from vedette_mlflow.control import PREFIX
from vedette_mlflow.paths import differs, handed_on

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import App, Receive, Scope, Send

MAX_BODY = 16 << 20  # bytes of a request, as `server.max_body` has it
MAX_ANSWER = 32 << 20
TIMEOUT, EXPLAIN_TIMEOUT, CONNECT_TIMEOUT = 10.0, 60.0, 5.0  # seconds: the first two from the body's end on
AT_ONCE = 8  # requests under way, whose bodies are here
ASKED_EVERY = 60.0  # seconds for which it is known whether the monitors ask for tokens
_SAID = frozenset({b"date", b"server"})  # by this server too
_OURS = frozenset({b"host", b"content-length", b"accept-encoding"})  # the client that asks for us sets its own
_THEIRS = frozenset({b"cookie"})  # the model's host's, which are no business of the monitors'
log = logging.getLogger("vedette.mlflow")


class Forwarding:
    """Requests below /vedette go to the monitors at `url`, all others to the model's application.

    A client's token is handed on; the tap's own is nobody else's. Where the monitors ask for no token, only this
    machine is served.  Nothing is kept of a request, and a request waits for no prediction, nor one for it.
    """

    def __init__(self, app: App, url: str) -> None:
        self.app = app
        self._url = url.rstrip("/")
        self._path = urlsplit(self._url).path
        self._client: httpx.AsyncClient | None = None
        self._bodies = Bodies(MAX_BODY, BODY_TIMEOUT)
        self._under_way = 0
        self._guarded_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/")):
            await self.app(scope, receive, send)
            return
        refusal: Any = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            async with self._bodies.reading(receive) as body:
                await self._placed(body, scope, receive, send)
        except Gone:
            return
        except (TooLarge, Slow, Crowded) as error:
            refusal = unread(error)
            await refusal(scope, receive, send)

    async def _placed(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """A place is taken only now: who sends a body slowly keeps nobody out."""
        if self._under_way >= AT_ONCE:
            refusal: Any = answer(503, f"{AT_ONCE} requests are under way already", headers={"Retry-After": "1"})
            await refusal(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._serve(body, scope, receive, send)
        finally:
            self._under_way -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to what is not handed on."""
        path = scope["path"]
        if path == PREFIX:
            return answer(307, f"the page is at {PREFIX}/", headers={"Location": f"{PREFIX}/"})
        if climbs(scope) or differs(scope) or not handed_on(path.removeprefix(f"{PREFIX}/")):
            return answer(404, f"{scope['method']} {path[:80]}: Not Found; the monitors are at another address")
        return None

    async def _serve(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = await self._tried(self._guarded(), TIMEOUT)
        app: Any = guarded if isinstance(guarded, Response) else partial(self._hand_on, body)
        guard: Any = app if guarded else LoopbackOnly(app)
        await guard(scope, receive, send)

    async def _hand_on(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer begins when all of it is here, so that what goes wrong until then has an answer of its own."""
        seconds = EXPLAIN_TIMEOUT if scope["path"].startswith(f"{PREFIX}/explain") else TIMEOUT
        reply = await self._tried(self._asked(scope, body), seconds)
        await reply(scope, receive, send)

    async def _tried(self, work: Awaitable[Any], seconds: float) -> Any:
        """What `work` gives, or the answer that tells why it gave nothing."""
        try:
            async with asyncio.timeout(seconds):
                return await work
        except (TimeoutError, httpx.TimeoutException):
            log.warning("the monitors at %s have not answered within %g s", self._url, seconds)
            return answer(504, f"the monitors have not answered within {seconds:g} s")
        except httpx.HTTPError as error:
            log.warning("the monitors at %s do not answer: %s: %s", self._url, type(error).__name__, error)
            return answer(502, "the monitors cannot be reached")

    async def _guarded(self) -> bool:
        """Whether the monitors ask for tokens: what asks for none is not opened to whoever reaches the model."""
        if time.monotonic() < self._guarded_until:
            return True
        reply = await self._made().get(f"{self._url}/api/tap", headers={"Accept-Encoding": "identity"})
        if reply.status_code != 401:
            return False
        self._guarded_until = time.monotonic() + ASKED_EVERY
        return True

    async def _asked(self, scope: Scope, body: bytes) -> Response:
        sent = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope.get("query_string", b"").decode("latin-1")
        url = f"{self._url}{sent[len(PREFIX) :]}{'?' if query else ''}{query}"
        named = b",".join(value for name, value in scope["headers"] if name.lower() == b"connection")
        left_out = HOP | _OURS | _THEIRS | {name.strip().lower() for name in named.split(b",")}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in left_out]
        headers.append((b"accept-encoding", b"identity"))
        request = self._made().build_request(scope["method"], url, headers=headers, content=body)
        reply = await self._made().send(request, stream=True)
        try:
            content = bytearray()
            async for part in reply.aiter_raw():
                content += part
                if len(content) > MAX_ANSWER:
                    return answer(502, f"the monitors answered more than {MAX_ANSWER} bytes: ask for less")
        finally:
            await reply.aclose()
        return self._here(reply, bytes(content))

    def _here(self, reply: httpx.Response, body: bytes) -> Response:
        """The page's links lead to where it is seen: they name the place where the monitors are mounted."""
        headers = [(name.lower(), value) for name, value in reply.headers.raw if name.lower() not in HOP | _SAID]
        if reply.headers.get("content-type", "").startswith("text/html"):
            body = body.replace(f'href="{self._path}/'.encode(), f'href="{PREFIX}/'.encode())
            headers = [(name, value) for name, value in headers if name != b"content-length"]
            headers.append((b"content-length", b"%d" % len(body)))
        found = Response(body, reply.status_code)
        found.raw_headers = headers
        return found

    def _made(self) -> httpx.AsyncClient:
        """At first use, on the loop that uses it."""
        if self._client is None:
            limits = httpx.Limits(max_connections=2 * AT_ONCE, keepalive_expiry=2.0)
            timeout = httpx.Timeout(EXPLAIN_TIMEOUT, connect=CONNECT_TIMEOUT)
            self._client = httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False, follow_redirects=False)
        return self._client
