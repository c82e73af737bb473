"""Events, and an HTTP receiver on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vedette_specs import Event


@dataclass
class Receiver:
    """What arrived; answers with `status` after `delay` seconds."""

    url: str = ""
    status: int = 202
    delay: float = 0.0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """Ids as a receiver keeps them that honours Idempotency-Key."""
        return list(dict.fromkeys(headers["idempotency-key"] for _, headers, _ in self.requests))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(state.delay)
            self.send_response(state.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"the queue is full" if state.status >= 400 else b"")

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/hooks?key=secret"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    def make(id: str = "e-1", kind: Any = "alert", **payload: Any) -> Event:
        return Event(id, kind, "income model", "drift", "region=north", 1_700_000_000.5, payload or {"state": "firing"})

    return make
