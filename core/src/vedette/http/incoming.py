"""Bodies of requests that are handed on: slow clients take neither time without end nor memory without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive

from vedette.http.answers import answer

BODY_TIMEOUT = 10.0  # seconds
SLOWEST = 1e6  # bytes a second, beyond these
BODIES_AT_ONCE = 4  # of the largest size


class TooLarge(ValueError):
    """The body is longer than what is handed on."""


class Slow(ValueError):
    """A body has not come in time."""


class Crowded(RuntimeError):
    """Bodies that are here take all the memory that they may take."""


class Gone(OSError):
    """The client does not wait any longer."""


class Bodies:
    """Reads bodies, and bounds those that are here.

    most: bytes of one.  seconds: for one, and a second more for each MB of it.  together: bytes of all that are on
    their way or at work; by default, of BODIES_AT_ONCE of the largest.  setting: what `most` is set by, for messages.
    """

    def __init__(
        self, most: int, seconds: float = BODY_TIMEOUT, together: int | None = None, setting: str = ""
    ) -> None:
        self.most = most
        self.setting = setting
        self.seconds = seconds
        self.together = BODIES_AT_ONCE * most if together is None else together
        self._held = 0

    @asynccontextmanager
    async def reading(self, receive: Receive) -> AsyncIterator[bytes]:
        """All of a request's body, which counts until it is done with.

        Raises TooLarge, Slow, Crowded, and Gone where the client left before its end.
        """
        parts: list[bytes] = []
        try:
            await self._read(receive, parts)
            yield b"".join(parts)
        finally:
            self._held -= sum(map(len, parts))

    async def _read(self, receive: Receive, parts: list[bytes]) -> None:
        begun, size, more = asyncio.get_running_loop().time(), 0, True
        try:
            async with asyncio.timeout(self.seconds) as limit:
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Gone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    self._held += len(parts[-1])
                    if size > self.most:  # before the sum: it would not fit when others are gone, either
                        raise TooLarge(f"body: more than {self.most} bytes{self.setting and f' ({self.setting})'}")
                    if self._held > self.together:
                        raise Crowded(f"bodies: more than {self.together} bytes of requests are here")
                    more = message.get("more_body", False)
                    limit.reschedule(begun + self.seconds + size / SLOWEST)
        except TimeoutError:
            allowed = f"{self.seconds:g} s and a second more for each MB"
            raise Slow(f"body: {size} bytes have come, and not all of it; allowed: {allowed}") from None


def unread(error: TooLarge | Slow | Crowded) -> Response:
    """The answer to a body that is not read to its end. A connection that has been waited for is not kept."""
    if isinstance(error, Crowded):
        return answer(503, str(error), headers={"Retry-After": "1"})
    if isinstance(error, TooLarge):
        return answer(413, str(error), "body")
    return answer(408, str(error), "body", {"Connection": "close"})
