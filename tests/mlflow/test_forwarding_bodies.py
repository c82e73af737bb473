"""Bodies that come slowly to `/vedette`, or too many at once: nobody else waits for them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
import uvicorn

from vedette_mlflow import forwarding
from vedette_mlflow.forwarding import AT_ONCE, Forwarding

LIMIT = 1.0  # seconds, for these tests


async def monitors(scope: Any, receive: Any, send: Any) -> None:
    """They say what they were sent."""
    body = (await receive()).get("body", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with a forwarding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forwarding, "BODY_TIMEOUT", LIMIT)
        front = Forwarding(monitors, "http://monitors")
    front._client = httpx.AsyncClient(transport=httpx.ASGITransport(monitors))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(front, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    listening.close()


def begin(port: int, length: int = 1000) -> socket.socket:
    """A request of which no more than the first byte of its body is sent."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /vedette/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    client.sendall(head.encode() + b"x")
    return client


def to_the_end(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and answer; returns when the server has closed the connection."""
    with closing(client):
        text = b"".join(iter(lambda: client.recv(4096), b"")).decode()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_slow_clients_keep_nobody_out_and_are_told(port: int) -> None:
    slow = [begin(port) for _ in range(3 * AT_ONCE)]
    time.sleep(0.1)
    started = time.monotonic()
    assert httpx.post(f"http://localhost:{port}/vedette/feedback", content=b"label").content == b"label"
    assert time.monotonic() - started < LIMIT / 2
    with ThreadPoolExecutor(len(slow)) as threads:
        answers = list(threads.map(to_the_end, slow))
    said = {
        "error": "body: 1 bytes have come, and not all of it; allowed: 1 s and a second more for each MB",
        "field": "body",
    }
    assert answers == [(408, said)] * len(slow)
    assert time.monotonic() - started < LIMIT + 2


def test_a_client_that_trickles_has_no_more_time(port: int) -> None:
    started = time.monotonic()
    answered = b""
    with closing(begin(port)) as client:
        client.settimeout(0.1)
        while not answered and time.monotonic() - started < 20:
            client.sendall(b"x")
            with suppress(TimeoutError):
                answered = client.recv(4096)
    assert answered.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < LIMIT + 2


def test_a_body_in_pieces_that_is_in_time_is_handed_on_whole(port: int) -> None:
    with closing(begin(port, 3)) as client:
        for piece in (b"y", b"z"):
            time.sleep(0.1)
            client.sendall(piece)
        assert b"xyz" in client.recv(4096)
