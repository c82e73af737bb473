"""uvicorn around an application: bound early, stopped in order."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

GRACE = 10  # seconds that requests under way may take at shutdown
KEEP_ALIVE = 60  # seconds; taps look for a new plan every 5, which is when uvicorn would close their connections
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet; OSError names the address that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host.strip("[]"), port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host}:{port} cannot be bound: {error.strerror}") from error
    return sock


def run(app: Any, sock: socket.socket, started: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; returns when requests are answered and the application has shut down."""
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=GRACE, timeout_keep_alive=KEEP_ALIVE, lifespan="on",
        server_header=False, ws="none",
    )  # fmt: skip
    Server(config, started).run(sockets=[sock])


class Server(uvicorn.Server):
    """Leaves with 0 after an orderly shutdown: the signal was heard, and is not raised again."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
