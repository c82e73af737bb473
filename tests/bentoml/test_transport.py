"""The tap's protocol over a Unix socket, and what a pool that is not there means."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from vedette.config.plan import CaptureSpec
from vedette.engine.message import TapPlan
from vedette.engine.tap.transport import Busy, HttpTransport, Refused, TransportError
from vedette_bentoml.transport import PoolTransport
from vedette_specs.schema import Schema

ANSWERS = {"/internal/api/ingest/fine": 204, "/internal/api/ingest/behind": 429, "/internal/api/ingest/odd": 400}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = ANSWERS[self.path] if body == b"message" else 500
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "3")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *given: Any) -> None:
        """Nothing is printed."""

    def address_string(self) -> str:
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    name = str(tmp_path / "s.sock")
    with Server(name, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield name
        server.shutdown()
        thread.join()


def test_messages_go_over_a_unix_socket(path: str) -> None:
    transport = HttpTransport("http://localhost/internal", unix_socket=path)
    transport.send("fine", b"message", 5.0)
    transport.send("fine", b"message", 5.0)  # on the kept connection
    with pytest.raises(Busy) as busy:
        transport.send("behind", b"message", 5.0)
    assert busy.value.retry_after == 3.0
    with pytest.raises(Refused):
        transport.send("odd", b"message", 5.0)
    with pytest.raises(TransportError) as failed:
        transport.send("fine", b"other", 5.0)
    assert failed.value.arrived
    transport.close()


def test_a_socket_that_is_not_there_has_carried_nothing(tmp_path: Path) -> None:
    transport = HttpTransport("http://localhost/internal", unix_socket=str(tmp_path / "none.sock"))
    with pytest.raises(TransportError) as failed:
        transport.send("fine", b"message", 5.0)
    assert not failed.value.arrived


def test_a_pool_that_does_not_exist_is_named() -> None:
    plan = TapPlan("sha256:0", Schema(features={"a": "numeric"}), ("default",), CaptureSpec())
    transport = PoolTransport({}, plan)
    assert transport.describe() is plan
    with pytest.raises(TransportError, match="no pool 'heavy'; there are \\[\\]") as failed:
        transport.send("heavy", b"", 1.0)
    assert not failed.value.arrived
