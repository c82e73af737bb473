"""The process of the monitors: workers of every pool, the reducer, explain jobs, and the port that takes batches."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from vedette.engine.bundle import Bundle
from vedette.engine.capture.exchange import App, Receive, Scope, Send
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.explain.gateway import Gateway
from vedette.engine.explain.job_thread import JobThread
from vedette.engine.run.runtime import Runtime
from vedette.engine.service import Service
from vedette.http.app import create_app
from vedette.http.running import KEEP_ALIVE, Server
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette_mlflow.asking import gateway
from vedette_mlflow.inside import as_served
from vedette_mlflow.link import DRAIN, GRACE, Link
from vedette_specs.batch import Batch
from vedette_specs.columns import Floats

JOB_TIME = 5.0  # seconds that an explain job under way may take at the end
ORPHANED = GRACE + DRAIN  # seconds in which orphaned scoring processes deliver what they hold, at most
QUIET = 6.0  # seconds without a word of any tap (each asks for its plan every 5) after which they have gone
logger = logging.getLogger("vedette.mlflow")


class Monitors:
    """path: of the model, which explain jobs load for themselves."""

    def __init__(self, store: Store, bundle: Bundle, path: str, version: str) -> None:
        self.runtime = Runtime(store, bundle, get_registry()).start()
        model = LateModel(lambda: _gateway(path, bundle, version))
        self.service = Service(store, bundle, model, version)
        self.jobs = JobThread(JobRunner(store, self.service.explaining, lambda spec: True)).start()
        self._store = store

    def app(self, token: str) -> Any:
        return create_app(self.service, tokens={token: ("read", "write")}, workers=self.runtime.workers)

    def close(self) -> None:
        """Checkpoint and release."""
        self.jobs.join(JOB_TIME)
        self.runtime.close()
        self._store.close()


class LateModel:
    """A copy of the model that is loaded by the first explain job, in this process, away from predictions."""

    def __init__(self, make: Callable[[], Gateway]) -> None:
        self._make = make
        self._gateway: Gateway | None = None
        self._lock = threading.Lock()

    def __call__(self, rows: Batch) -> Floats:
        with self._lock:
            if self._gateway is None:
                self._gateway = self._make()
        return self._gateway(rows)


class Heard:
    """An application that knows when it was last asked."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._last = time.monotonic()
        await self._app(scope, receive, send)

    def wait_quiet(self, quiet: float, longest: float) -> None:
        """Until nobody has asked for `quiet` seconds; at most `longest` seconds."""
        now = self._last = time.monotonic()
        while time.monotonic() < min(self._last + quiet, now + longest):
            time.sleep(0.1)


def main(link: Link, sock: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # to the whole group, say: the supervisor says when
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vedette").setLevel(logging.INFO)
    settings = link.settings()
    bundle = Bundle.from_bytes(Path(settings["bundle"]).read_bytes(), get_registry())
    monitors = Monitors(Store(settings["store"]), bundle, settings["path"], settings["version"])
    for change in monitors.runtime.changes:
        logger.info("%s: %s %s", bundle.plan.model, change.action, change.monitor)
    heard = Heard(monitors.app(settings["token"]))
    config = uvicorn.Config(
        heard, log_level="warning", access_log=False, timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE, lifespan="on", server_header=False, ws="none",
    )  # fmt: skip
    server = _Unsignalled(config, link.ready)

    def ended(asked: bool) -> None:
        if not asked:
            logger.error("the supervisor has gone: stopping when the scoring processes have delivered what they hold")
            heard.wait_quiet(QUIET, ORPHANED)
        server.should_exit = True

    link.watch(ended)
    server.run(sockets=[sock])
    monitors.close()


class _Unsignalled(Server):
    """Stops when it is told to, not by a signal."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        return None


def _gateway(path: str, bundle: Bundle, version: str) -> Gateway:
    return gateway(as_served(path), bundle.plan.schema, f"model {bundle.plan.model}", version)


if __name__ == "__main__":
    _link, _socket = map(int, sys.argv[1:])
    main(Link(_link), socket.socket(fileno=_socket))
