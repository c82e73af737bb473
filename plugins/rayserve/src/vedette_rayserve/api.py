"""The seam to the HTTP API that every platform mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Body, FastAPI, HTTPException

from vedette.engine.service import BadRequest, Service


def http_app(service: Service) -> Any:
    """The ASGI application of the monitors."""
    try:
        from vedette.http import create_app
    except ImportError:
        return small_app(service)
    return create_app(service)


def small_app(service: Service) -> FastAPI:
    """The least that a client needs."""
    app = FastAPI(title=f"Vedette: {service.model}")

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        return {"ok": service.healthy()}

    @app.get("/api/monitors")
    def monitors() -> list[dict[str, Any]]:
        return service.monitors()

    @app.get("/api/results")
    def results(monitor: str | None = None, window: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        return [dict(item) for item in service.results(monitor, window, limit=limit)]

    @app.get("/api/alerts")
    def alerts(live: bool = False) -> list[dict[str, Any]]:
        return service.alerts(live)

    @app.get("/api/explanations")
    def explanations() -> list[dict[str, Any]]:
        return service.explanations()

    @app.get("/api/status")
    def status() -> dict[str, Any]:
        return service.status()

    @app.post("/feedback", status_code=202)
    def feedback(body: Any = Body()) -> Mapping[str, int]:
        try:
            return {"stored": service.feedback(body if isinstance(body, list) else [body])}
        except BadRequest as error:
            raise HTTPException(400, str(error)) from error

    return app
