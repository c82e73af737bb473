"""The seam to the HTTP API that every platform mounts."""

from __future__ import annotations

from typing import Any

from vedette.engine.service import Service


def http_app(service: Service) -> Any:
    """The ASGI application of the monitors, asking for the tokens of the configuration."""
    from vedette.http import create_app

    return create_app(service, tokens=service.plan.server.tokens)
