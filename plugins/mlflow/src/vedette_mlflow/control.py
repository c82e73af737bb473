"""`/vedette` of a scoring process: page, API and explanations, from the store."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from vedette.http.answers import answer

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import App, Receive, Scope, Send

PREFIX = "/vedette"
logger = logging.getLogger("vedette.mlflow")


class Beside:
    """Requests below /vedette go to the monitors' application, all others to the model's.

    bundle: its file.  store: URL.  The application is made at its first request; what is wrong with the store is
    answered there, and costs predictions nothing.
    """

    def __init__(self, app: App, bundle: Path, store: str, model: Any, version: str) -> None:
        self.app = app
        self._bundle = bundle
        self._store = store
        self._model = model
        self._version = version
        self._control: App | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _ours(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            control = self._control
            if control is None:
                control = await anyio.to_thread.run_sync(self._made)
        except Exception:
            logger.exception("%s cannot be served", PREFIX)
            refusal: Any = answer(503, "the store or the bundle cannot be opened; the server's log has more")
            await refusal(scope, receive, send)
            return
        await control(scope, receive, send)

    def _made(self) -> App:
        with self._lock:
            if self._control is None:
                self._control = self._make()
            return self._control

    def _make(self) -> Any:
        from vedette.engine.bundle import Bundle
        from vedette.engine.service import Service
        from vedette.http.app import create_app
        from vedette.http.loopback import LoopbackOnly
        from vedette.plugins import get_registry
        from vedette.store.database import Store
        from vedette_mlflow.asking import gateway

        bundle = Bundle.from_bytes(self._bundle.read_bytes(), get_registry())
        plan = bundle.plan
        predict = gateway(self._model, plan.schema, f"model {plan.model}", self._version)
        service = Service(Store(self._store), bundle, predict, self._version)
        tokens = plan.server.tokens
        guard = [] if tokens else [Middleware(LoopbackOnly)]
        return Starlette(routes=[Mount(PREFIX, create_app(service, tokens=tokens))], middleware=guard)


def _ours(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")
