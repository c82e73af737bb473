"""The embedded server: monitors of one or several models in this process, and the models too where they have a URI."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from vedette.engine.bundle import Bundle
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.explain.gateway import Gateway
from vedette.engine.explain.job_thread import JobThread
from vedette.engine.message import TapPlan
from vedette.engine.run.runtime import Runtime
from vedette.engine.service import Service
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import InProcessTransport
from vedette.http.app import create_app
from vedette.http.loopback import LoopbackOnly, is_loopback
from vedette.http.markup import Markup, tag
from vedette.http.page import HEADERS
from vedette.http.page_style import STYLE
from vedette.plugins import Registry
from vedette.store.database import Store

logger = logging.getLogger("vedette.serve")
DRAIN = 5.0


class NotLoopback(ValueError):
    """Without tokens nobody but this machine is served."""


@dataclass
class Embedded:
    """One model's monitors at work: workers of every pool, explain jobs, and the tap of the model if it is served."""

    store: Store
    bundle: Bundle
    registry: Registry
    gateway: Gateway | None = None

    def start(self) -> Embedded:
        """Deploy the bundle and start all threads."""
        plan = self.bundle.plan
        self.runtime = Runtime(self.store, self.bundle, self.registry).start()
        self.service = Service(self.store, self.bundle, self.gateway, plan.model_version or "")
        self.tap = None
        if self.gateway is not None:
            wanted = TapPlan.of(plan, self.bundle.digest)
            transport = InProcessTransport(self.runtime.workers, wanted)
            self.tap = Tap(transport, plan.tap, wanted, model_version=plan.model_version or "")
        self._jobs = JobThread(JobRunner(self.store, self.service.explaining, lambda spec: True)).start()
        return self

    def app(self) -> FastAPI:
        return create_app(
            self.service, tokens=self.bundle.plan.server.tokens, workers=self.runtime.workers,
            gateway=self.gateway, tap=self.tap,
        )  # fmt: skip

    def close(self) -> None:
        """Drain the tap, checkpoint, release; what could not be drained is counted, or stays in the spool."""
        self._jobs.stop()
        if self.tap is not None:
            self.tap.close(DRAIN)
        self._jobs.join(DRAIN)
        self.runtime.close()
        if self.gateway is not None:
            self.gateway.close()


def server_app(models: Sequence[Embedded], stores: Sequence[Store] = ()) -> Starlette:
    """One model at /, several at /vedette/<model>; closes them all when the server shuts down."""
    apps = {model.service.model: model.app() for model in models}

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(_close, models, stores)

    open_to_all = any(not model.bundle.plan.server.tokens for model in models)
    # other sites that a browser resolves to this machine (DNS rebinding) are no callers of a server without tokens
    guard = [Middleware(LoopbackOnly)] if open_to_all else []
    if len(apps) == 1:
        routes: list[Any] = [Mount("/", next(iter(apps.values())))]
    else:
        routes = [Route("/", _index(list(apps))), *(Mount(f"/vedette/{name}", app) for name, app in apps.items())]
    return Starlette(routes=routes, middleware=guard, lifespan=lifespan)


def check_host(host: str, tokens: Mapping[str, Mapping[str, Any]]) -> None:
    """tokens: of each model. Raises NotLoopback where strangers could reach a model without any."""
    without = [model for model, known in tokens.items() if not known]
    if without and not is_loopback(host):
        raise NotLoopback(
            f"--host {host} lets other machines in, and {', '.join(without)} asks for no token; "
            f"set server.tokens in its YAML, or serve 127.0.0.1"
        )


def _close(models: Sequence[Embedded], stores: Sequence[Store]) -> None:
    for model in models:
        try:
            model.close()
        except Exception:  # the others are drained all the same
            logger.exception("model %s could not be shut down in order", model.bundle.plan.model)
    for store in stores:
        store.close()


def _index(names: Sequence[str]) -> Any:
    def index(request: Request) -> HTMLResponse:
        links = [tag("p", tag("a", name, href=f"/vedette/{name}/")) for name in names]
        head = tag("head", tag("meta", charset="utf-8"), tag("title", "Vedette"), tag("style", Markup(STYLE)))
        main = tag("main", tag("h2", "Models"), tag("div", *links, class_="card"))
        return HTMLResponse("<!doctype html>" + tag("html", head, tag("body", main), lang="en"), headers=HEADERS)

    return index
