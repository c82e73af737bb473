"""Bodies and paths of requests that are handed on to the monitors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vedette.http.handing_on import Gone, TooLarge, climbs, read_body


def read(messages: list[dict[str, Any]], limit: int = 10) -> bytes:
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    return asyncio.run(read_body(receive, limit))


def part(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_put_together() -> None:
    assert read([part(b"12345", True), part(b"", True), part(b"67890")]) == b"1234567890"
    assert read([{"type": "http.request"}]) == b""


def test_a_body_is_read_no_further_than_its_limit() -> None:
    with pytest.raises(TooLarge, match="body: more than 10 bytes"):
        read([part(b"12345", True), part(b"678901", True)])  # a third part is not waited for


def test_a_client_that_leaves_has_no_body() -> None:
    with pytest.raises(Gone):
        read([part(b"12345", True), {"type": "http.disconnect"}])


@pytest.mark.parametrize(
    ("path", "sent", "out"),
    [
        ("/vedette/api", b"/vedette/api", False),
        ("/vedette/a..b", b"/vedette/a..b", False),
        ("/vedette/../internal", b"/vedette/../internal", True),
        ("/vedette/../internal", b"/vedette/%2e%2e/internal", True),
        ("/internal", b"/vedette/../internal", True),
        ("/vedette/./api", b"/vedette/./api", True),
        ("/vedette/..\\internal", b"/vedette/..%5cinternal", True),
    ],
)
def test_paths_that_climb_out(path: str, sent: bytes, out: bool) -> None:
    assert climbs({"path": path, "raw_path": sent}) is out
