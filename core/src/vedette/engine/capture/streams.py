"""Answers that come piece by piece: every piece goes on at once while a bounded copy is kept for the tap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from vedette.engine.capture.exchange import Bounded

Ended = Callable[[Bounded], None]


def tee(stream: Any, ended: Ended) -> Iterator[Any]:
    """The pieces of a generator; `ended` gets what was kept of them when the last one has gone out."""
    kept = Bounded()
    for item in stream:
        kept.add(item)
        try:
            yield item
        except BaseException as error:
            with suppress(StopIteration):
                stream.throw(error)
            raise
    ended(kept)


async def async_tee(stream: Any, ended: Ended) -> AsyncIterator[Any]:
    """`tee` of an asynchronous generator."""
    kept = Bounded()
    async for item in stream:
        kept.add(item)
        try:
            yield item
        except BaseException as error:  # a cancelled request must be felt inside the user's generator
            with suppress(StopAsyncIteration):
                await stream.athrow(error)
            raise
    ended(kept)
