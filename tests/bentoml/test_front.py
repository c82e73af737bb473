"""`/vedette` hands requests on, and a worker that has died is noticed by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from vedette_bentoml.front import Front


class Worker:
    """HTTP on a Unix socket. deaths: how many requests are met by a connection that breaks."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.requests: list[bytes] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if b"content-length" in x.lower()), 0)
                self.requests.append(head + await reader.readexactly(length))
                if len(self.requests) <= self.deaths:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-worker: yes\r\n\r\nok")
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def asked(folder: Path, deaths: int, method: str, path: str, **given: Any) -> tuple[httpx.Response, list[bytes]]:
    async def main() -> tuple[httpx.Response, list[bytes]]:
        socket = folder / "w.sock"
        worker = Worker(deaths)
        neighbour: Any = SimpleNamespace(on=SimpleNamespace(url=f"file://{socket}"))
        front = Front("/vedette", neighbour, None, guarded=True, max_body=100)
        async with await asyncio.start_unix_server(worker.connected, socket):
            transport = httpx.ASGITransport(front)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://models.example") as client:
                answer = await client.request(method, path, **given)
            await front.close()
        return answer, worker.requests

    return asyncio.run(main())


def test_requests_and_answers_are_handed_on(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer t", "Connection": "close"}
    answer, requests = asked(tmp_path, 0, "POST", "/vedette/feedback?a=b%20c", content=b"{}", headers=headers)
    assert (answer.status_code, answer.content, answer.headers["x-worker"]) == (200, b"ok", "yes")
    (request,) = requests
    lines = request.lower().split(b"\r\n")
    assert lines[0] == b"post /vedette/feedback?a=b%20c http/1.1"
    assert {b"authorization: bearer t", b"host: models.example", b"content-length: 2"} <= set(lines)
    assert b"connection: close" not in lines
    assert request.endswith(b"{}")


@pytest.mark.parametrize(("method", "path"), [("GET", "metrics"), ("HEAD", "metrics"), ("POST", "explain")])
def test_a_connection_that_breaks_is_tried_once_more(method: str, path: str, tmp_path: Path) -> None:
    answer, requests = asked(tmp_path, 1, method, f"/vedette/{path}")
    assert (answer.status_code, len(requests)) == (200, 2)


@pytest.mark.parametrize(("method", "path"), [("POST", "feedback"), ("POST", "api/silences"), ("DELETE", "x")])
def test_what_writes_is_not_sent_twice(method: str, path: str, tmp_path: Path) -> None:
    """The worker may have stored it before it died."""
    answer, requests = asked(tmp_path, 1, method, f"/vedette/{path}")
    assert (answer.status_code, len(requests)) == (503, 1)


def test_monitors_that_do_not_answer_are_told(tmp_path: Path) -> None:
    answer, requests = asked(tmp_path, 9, "GET", "/vedette/metrics")
    assert (answer.status_code, answer.json()["error"], len(requests)) == (503, "the monitors do not answer", 2)


def test_a_body_that_is_too_long_is_refused(tmp_path: Path) -> None:
    answer, requests = asked(tmp_path, 0, "POST", "/vedette/feedback", content=b"x" * 101)
    assert (answer.status_code, requests) == (413, [])
    assert "server.max_body" in answer.json()["error"]


def test_a_body_that_does_not_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette_bentoml.front.BODY_TIMEOUT", 0.2)

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    answer, requests = asked(tmp_path, 0, "POST", "/vedette/feedback", content=endless())
    assert (answer.status_code, requests) == (408, [])


@pytest.mark.parametrize(
    "path", ["/vedette/../internal/api/monitors", "/vedette/./metrics", "/vedette/%2e%2e/internal/x", "/vedette/..%2fx"]
)
def test_a_path_that_climbs_goes_nowhere(path: str, tmp_path: Path) -> None:
    """What lies beside `/vedette` in a monitor's service is for taps only."""
    told: list[dict[str, Any]] = []
    asked_for: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    async def receive() -> dict[str, Any]:
        asked_for.append(path)
        return {"type": "http.request", "body": b""}

    neighbour: Any = SimpleNamespace(on=SimpleNamespace(url=f"file://{tmp_path / 'none.sock'}"))
    front = Front("/vedette", neighbour, None, guarded=True, max_body=100)
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "headers": []}
    asyncio.run(front(scope, receive, send))  # type: ignore[arg-type]
    assert told[0]["status"] == 404
    assert not asked_for, "nothing was read, so nothing was handed on"
