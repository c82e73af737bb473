"""The application: built here, mounted by every platform."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from vedette.engine.service import Service
from vedette.engine.tap.transport import Applies
from vedette.http import alerting, errors, explain, metrics, page, predicting, reading, writing
from vedette.http.state import State
from vedette.http.tokens import Tokens

if TYPE_CHECKING:
    from vedette.engine.explain.gateway import Gateway
    from vedette.engine.tap.tap import Tap

ABOUT = """Monitors of one model: their results and alerts, labels for past predictions, and explanations.

Times are seconds since the epoch, event time. Every error has `error`; where one place of the request is wrong, `field`
names it."""


def create_app(
    service: Service,
    *,
    tokens: Mapping[str, tuple[str, ...]] = {},
    workers: Mapping[str, Applies] | None = None,
    gateway: Gateway | None = None,
    tap: Tap | None = None,
    root_path: str = "",
) -> FastAPI:
    """The ASGI application of one model.

    tokens: token -> scopes out of read, write, explain; without any nobody is asked for one, so that whoever runs the
    application must keep strangers out.  workers: pool -> worker, where this process takes in batches.
    gateway: the model, to be served under V2 and V1; `tap` sees its predictions.
    root_path: where a proxy in front mounts the application, if it strips that path (a mount of ASGI tells by itself).
    """
    model = None if gateway is None else predicting.ServedModel(service, gateway, tap)
    app = assemble(root_path, with_model=model is not None)
    app.state.vedette = State(service, Tokens(tokens), workers, model)
    return app


def assemble(root_path: str = "", with_model: bool = True) -> FastAPI:
    """The application without what it serves."""
    about: dict[str, Any] = {"title": "Vedette", "version": version("vedette"), "description": ABOUT}
    app = FastAPI(**about, root_path=root_path, docs_url=None, redoc_url=None)
    errors.install(app)
    parts: list[Any] = [page, reading, writing, alerting, explain, metrics]
    for part in [*parts, predicting] if with_model else parts:
        app.include_router(part.router)
    return app
