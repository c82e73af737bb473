"""The HTTP transport against a real server on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.tap.transports import FAST, Receiver, call, plan

from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import Busy, HttpTransport, Refused, TransportError


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.receiver = Receiver()
        self.answers: list[tuple[int, dict[str, str]] | None] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.connections = 0
        self.plan: Any = plan("default", "with space/é").to_json()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self._note()
        self._answer(200, {}, json.dumps(self.server.plan).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._note()
        answer = self.server.answers.pop(0) if self.server.answers else (204, {})
        if answer is None:  # commit, and lose the acknowledgement
            self.server.receiver.apply(body)
            self.close_connection = True
            return
        if answer[0] < 300:
            self.server.receiver.apply(body)
        self._answer(*answer, b"" if answer[0] == 204 else b'{"error": "because"}')

    def _note(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_the_plan_and_the_token(server: Server) -> None:
    transport = HttpTransport(server.url + "/vedette/income/", token="secret")
    assert transport.describe() == plan("default", "with space/é")
    method, path, headers = server.seen[0]
    assert (method, path, headers["Authorization"]) == ("GET", "/vedette/income/api/tap", "Bearer secret")
    transport.close()


def test_messages_go_to_their_pool_on_one_connection(server: Server) -> None:
    from vedette.engine.message import Message

    transport = HttpTransport(server.url)
    for seq in range(1, 6):
        transport.send("with space/é", Message("p", seq, 0.0).to_bytes(), 1.0)
    method, path, headers = server.seen[0]
    assert (method, path) == ("POST", "/api/ingest/with%20space%2F%C3%A9")
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Authorization" not in headers
    assert server.connections == 1
    assert [m.seq for m in server.receiver.messages] == [1, 2, 3, 4, 5]
    transport.close()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "arrived"),
    [
        (429, {"Retry-After": "2.5"}, Busy, False),
        (503, {"Retry-After": "2.5"}, Busy, False),
        (503, {}, TransportError, True),
        (500, {}, TransportError, True),
        (401, {}, TransportError, False),
        (404, {}, TransportError, False),
        (400, {}, Refused, False),
        (413, {}, Refused, False),
    ],
)
def test_every_status_has_its_error(
    server: Server, status: int, headers: dict[str, str], kind: type[TransportError], arrived: bool
) -> None:
    server.answers = [(status, headers)]
    transport = HttpTransport(server.url)
    with pytest.raises(kind, match=f"{status}.*because") as caught:
        transport.send("default", b"message", 1.0)
    assert type(caught.value) is kind
    assert caught.value.arrived is arrived
    if isinstance(caught.value, Busy):
        assert caught.value.retry_after == 2.5
    transport.close()


def test_a_retry_after_that_is_a_date_is_a_second(server: Server) -> None:
    server.answers = [(429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}), (429, {})]
    transport = HttpTransport(server.url)
    for _ in range(2):
        with pytest.raises(Busy) as caught:
            transport.send("default", b"", 1.0)
        assert caught.value.retry_after == 1.0
    transport.close()


def test_nobody_there_means_that_nothing_arrived() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        transport = HttpTransport(f"http://127.0.0.1:{free.getsockname()[1]}", timeout=0.5)
        with pytest.raises(TransportError) as caught:
            transport.describe()
    assert not caught.value.arrived


def test_silence_is_a_timeout_and_may_have_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        transport = HttpTransport(f"http://127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(TransportError, match=r"[Tt]ime") as caught:
            transport.send("default", b"x", 0.1)
        assert caught.value.arrived


@pytest.mark.parametrize("answer", [[], {"digest": "d"}, "text", {**plan().to_json(), "schema": {"task": "magic"}}])
def test_what_is_no_plan_is_an_error(server: Server, answer: Any) -> None:
    server.plan = answer
    transport = HttpTransport(server.url)
    with pytest.raises(TransportError, match="gave no plan"):
        transport.describe()
    transport.close()


@pytest.mark.parametrize("url", ["localhost:8200", "ftp://host", "http://", "file:///etc/passwd"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=rf"^{url!r} is no address; allowed: http://"):  # callers name their option
        HttpTransport(url)


def test_a_tap_over_http_loses_nothing_and_doubles_nothing(server: Server) -> None:
    server.plan = plan().to_json()
    server.answers = [None, (500, {}), (429, {"Retry-After": "0.05"}), None, (401, {})]
    tap = Tap(HttpTransport(server.url), timing=FAST)
    for i in range(200):
        tap.offer(call(i))
    assert tap.flush(10)
    tap.close()
    assert server.receiver.ages() == list(range(200))
    assert server.receiver.duplicates >= 1
