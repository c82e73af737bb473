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

    return asyncio.run(whole(Bodies(limit, setting="a.b"), receive))


async def whole(bodies: Bodies, receive: Any) -> bytes:
    async with bodies.reading(receive) as body:
        return body


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
        return await whole(bodies, queue.get)

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


def test_a_body_that_never_fits_is_not_to_be_sent_again() -> None:
    with pytest.raises(TooLarge):
        read([part(b"x" * 500)])


def test_a_body_counts_until_it_is_done_with() -> None:
    bodies = Bodies(100, 20.0, 150)

    async def come(size: int) -> Any:
        return part(b"x" * size)

    async def work() -> None:
        async with bodies.reading(lambda: come(100)):
            with pytest.raises(Crowded):
                await whole(bodies, lambda: come(60))
        assert len(await whole(bodies, lambda: come(60))) == 60

    asyncio.run(work())


def test_a_large_body_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.http.incoming.SLOWEST", 100.0)

    async def slowly(bodies: list[bytes]) -> bytes:
        coming = iter(bodies)

        async def receive() -> Any:
            body = next(coming)
            if len(body) < 50:
                await asyncio.sleep(0.2)
            return part(body, more=True) if body else part(body)

        return await whole(Bodies(1000, 0.05), receive)

    assert len(asyncio.run(slowly([b"x" * 100, b"y", b""]))) == 101
    with pytest.raises(Slow, match=r"body: 5\d bytes have come, and not all of it; allowed: 0\.05 s and a second more"):
        asyncio.run(slowly([b"x" * 50, *[b"y"] * 20]))


def test_what_ends_early_holds_nothing() -> None:
    bodies = Bodies(100, 0.01, 150)

    async def work() -> None:
        for _ in range(5):
            queue: asyncio.Queue[Any] = asyncio.Queue()
            queue.put_nowait(part(b"a" * 100, more=True))
            with pytest.raises(Slow):
                await whole(bodies, queue.get)
            queue.put_nowait(part(b"a" * 100, more=True))
            queue.put_nowait({"type": "http.disconnect"})
            with pytest.raises(Gone):
                await whole(bodies, queue.get)

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
