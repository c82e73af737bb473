"""Bodies of requests on their way in: slow clients take neither time without end nor memory without end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vedette.http.handing_on import read_body

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import Message, Receive


class Slow(ValueError):
    """A body has not come in time."""


class Crowded(RuntimeError):
    """Bodies that are on their way take all the memory that they may take."""


class Bodies:
    """Reads bodies. seconds: for all of one.  most: bytes of one.  together: bytes of all that have not ended yet."""

    def __init__(self, seconds: float, most: int, together: int) -> None:
        self.seconds = seconds
        self.most = most
        self.together = together
        self._held = 0

    async def read(self, receive: Receive) -> bytes:
        """All of a request's body. Raises Slow, Crowded, and what `read_body` raises: TooLarge and Gone."""
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
                return await read_body(counted, self.most)
        except TimeoutError:
            raise Slow(f"body: not all of it has come within {self.seconds:g} s") from None
        finally:
            self._held -= own
