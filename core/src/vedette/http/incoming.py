"""Bodies of requests that are handed on: slow clients take neither time without end nor memory without end."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Message, Receive

from vedette.http.answers import answer

BODY_TIMEOUT = 10.0  # seconds
BODIES_AT_ONCE = 4  # of the largest size


class TooLarge(ValueError):
    """The body is longer than what is handed on."""


class Slow(ValueError):
    """A body has not come in time."""


class Crowded(RuntimeError):
    """Bodies that are on their way take all the memory that they may take."""


class Gone(OSError):
    """The client does not wait any longer."""


class Bodies:
    """Reads bodies.

    most: bytes of one.  seconds: for all of one.  together: bytes of all that have not ended yet; by default, of
    BODIES_AT_ONCE of the largest.  setting: what a user can set `most` with, for the message.
    """

    def __init__(
        self, most: int, seconds: float = BODY_TIMEOUT, together: int | None = None, setting: str = ""
    ) -> None:
        self.most = most
        self.setting = setting
        self.seconds = seconds
        self.together = BODIES_AT_ONCE * most if together is None else together
        self._held = 0

    async def read(self, receive: Receive) -> bytes:
        """All of a request's body. Raises TooLarge, Slow, Crowded, and Gone where the client left before its end."""
        own = 0

        async def counted() -> Message:
            nonlocal own
            message = await receive()
            size = len(message.get("body", b""))
            own += size
            self._held += size
            if self._held > self.together:
                raise Crowded(f"bodies on their way take more than {self.together} bytes")
            return message

        try:
            async with asyncio.timeout(self.seconds):
                return await self._whole(counted)
        except TimeoutError:
            raise Slow(f"body: not all of it has come within {self.seconds:g} s") from None
        finally:
            self._held -= own

    async def _whole(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.most:
                raise TooLarge(f"body: more than {self.most} bytes{self.setting and f' ({self.setting})'}")
            if not message.get("more_body"):
                return b"".join(parts)


def unread(error: TooLarge | Slow | Crowded) -> Response:
    """The answer to a body that is not read to its end. A connection that has been waited for is not kept."""
    if isinstance(error, Crowded):
        return answer(503, str(error), headers={"Retry-After": "1"})
    if isinstance(error, TooLarge):
        return answer(413, str(error), "body")
    return answer(408, str(error), "body", {"Connection": "close"})
