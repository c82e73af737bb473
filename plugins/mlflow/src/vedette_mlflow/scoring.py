"""A scoring process: MLflow's own application, tapped, with `/vedette` beside it.

The settings are MLflow's where it has some: what uvicorn and the model's code see is what `mlflow models serve` shows
them.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from vedette.engine.tap.lazy import LazyTap
from vedette.engine.tap.transport import HttpTransport
from vedette.http.running import Server
from vedette.http.tapped import Tapped
from vedette_mlflow.inside import application, as_served, tell_model_path
from vedette_mlflow.link import DRAIN, GRACE, Link

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import App

PATHS = ("/invocations",)


def main(link: Link, sock: socket.socket) -> None:
    settings = link.settings()
    path = settings["path"]
    tell_model_path(path)
    model = as_served(path)
    tap = LazyTap(lambda: HttpTransport(settings["monitors"], settings["token"]), _tap(settings), settings["version"])
    server = Server(uvicorn.Config(_app(model, tap, settings), timeout_graceful_shutdown=GRACE), link.ready)

    def ended(asked: bool) -> None:
        """The supervisor has gone: nobody would start this process again, and its port has to become free."""
        server.should_exit = True

    link.watch(ended)
    tap.new_id()  # the tap's modules are loaded before the first request
    server.run(sockets=[sock])
    tap.close(DRAIN)


def _app(model: Any, tap: LazyTap, settings: dict[str, Any]) -> App:
    tapped = Tapped(application(model), tap, PATHS, request_ids=not settings["strict"])
    if settings["bundle"] is None:
        from vedette_mlflow.forwarding import Forwarding

        return Forwarding(tapped, settings["monitors"])
    from vedette_mlflow.control import Beside

    return Beside(tapped, Path(settings["bundle"]), settings["store"], model, settings["version"])


def _tap(settings: dict[str, Any]) -> Any:
    from vedette.config.plan import TapSpec

    return TapSpec(**settings["tap"])


if __name__ == "__main__":
    _link, _socket = map(int, sys.argv[1:])
    main(Link(_link), socket.socket(fileno=_socket))
