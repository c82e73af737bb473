"""A scoring process: MLflow's own application, tapped, with `/vedette` beside it.

The settings are MLflow's where it has some: what uvicorn and the model's code see is what `mlflow models serve` shows
them.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from vedette.engine.tap.lazy import LazyTap
from vedette.engine.tap.transport import HttpTransport
from vedette.http.running import Server
from vedette.http.tapped import Tapped
from vedette_mlflow.link import Link

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import App

PATHS = ("/invocations",)
GRACE = 25  # seconds that requests under way may take at shutdown
DRAIN = 5.0  # seconds for the tap to ship what it holds


def main(link: Link, sock: socket.socket) -> None:
    settings = link.settings()
    path = settings["path"]
    model = _load(path)
    tap = LazyTap(lambda: HttpTransport(settings["monitors"], settings["token"]), _tap(settings), settings["version"])
    server = Server(uvicorn.Config(_app(model, tap, settings), timeout_graceful_shutdown=GRACE), link.ready)

    def ended(asked: bool) -> None:
        """The supervisor has gone: nobody would start this process again, and its port has to become free."""
        server.should_exit = True

    link.watch(ended)
    tap.new_id()  # the tap's modules are loaded before the first request
    server.run(sockets=[sock])
    tap.close(DRAIN)


def _load(path: str) -> Any:
    """The model, in the environment in which MLflow's own server loads it."""
    from mlflow.pyfunc import scoring_server

    os.environ[scoring_server._SERVER_MODEL_PATH] = path
    return scoring_server.load_model_with_mlflow_config(path)


def _app(model: Any, tap: LazyTap, settings: dict[str, Any]) -> App:
    from mlflow.pyfunc.scoring_server import init

    tapped = Tapped(init(model), tap, PATHS, request_ids=not settings["strict"])
    if settings["bundle"] is None:
        return tapped
    from vedette_mlflow.control import Beside

    return Beside(tapped, Path(settings["bundle"]), settings["store"], model, settings["version"])


def _tap(settings: dict[str, Any]) -> Any:
    from vedette.config.plan import TapSpec

    return TapSpec(**settings["tap"])


if __name__ == "__main__":
    _link, _socket = map(int, sys.argv[1:])
    main(Link(_link), socket.socket(fileno=_socket))
