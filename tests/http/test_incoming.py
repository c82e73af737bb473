"""Bodies of requests that are handed on to the monitors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vedette.http.incoming import Bodies, Crowded, Gone, Slow, TooLarge, unread


def read(messages: list[dict[str, Any]], limit: int = 10) -> bytes:
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    return asyncio.run(Bodies(limit, setting="a.b").read(receive))


def part(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_put_together() -> None:
    assert read([part(b"12345", True), part(b"", True), part(b"67890")]) == b"1234567890"
    assert read([{"type": "http.request"}]) == b""


def test_a_body_is_read_no_further_than_its_limit() -> None:
    with pytest.raises(TooLarge, match=r"body: more than 10 bytes \(a\.b\)"):
        read([part(b"12345", True), part(b"678901", True)])  # a third part is not waited for


def test_a_client_that_leaves_has_no_body() -> None:
    with pytest.raises(Gone):
        read([part(b"12345", True), {"type": "http.disconnect"}])


def test_bodies_on_their_way_are_bounded_together() -> None:
    bodies = Bodies(100, 20.0, 150)

    async def hold(queue: asyncio.Queue[Any]) -> bytes:
        return await bodies.read(queue.get)

    async def work() -> None:
        first: asyncio.Queue[Any] = asyncio.Queue()
        second: asyncio.Queue[Any] = asyncio.Queue()
        reading = asyncio.create_task(hold(first))
        first.put_nowait(part(b"a" * 100, more=True))
        await asyncio.sleep(0.01)
        second.put_nowait(part(b"b" * 60))
        with pytest.raises(Crowded, match="more than 150 bytes"):
            await hold(second)
        first.put_nowait(part(b""))
        assert await reading == b"a" * 100
        second.put_nowait(part(b"b" * 60))
        assert await hold(second) == b"b" * 60

    asyncio.run(work())


def test_what_ends_early_holds_nothing() -> None:
    bodies = Bodies(100, 0.01, 150)

    async def work() -> None:
        for _ in range(5):
            queue: asyncio.Queue[Any] = asyncio.Queue()
            queue.put_nowait(part(b"a" * 100, more=True))
            with pytest.raises(Slow):
                await bodies.read(queue.get)
            queue.put_nowait(part(b"a" * 100, more=True))
            queue.put_nowait({"type": "http.disconnect"})
            with pytest.raises(Gone):
                await bodies.read(queue.get)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (TooLarge("x"), 413, None),
        (Slow("x"), 408, ("connection", "close")),
        (Crowded("x"), 503, ("retry-after", "1")),
    ],
)
def test_bodies_that_are_not_read_have_an_answer(error: Any, status: int, header: tuple[str, str] | None) -> None:
    reply = unread(error)
    assert reply.status_code == status
    assert header is None or header in reply.headers.items()
