"""What Vedette's plugin loader finds: the commands for Ray Serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vedette_specs.hooks import Component, hookimpl


@hookimpl
def vedette_register_platforms() -> Iterable[Component]:
    return [
        Component(
            "platform",
            "rayserve",
            "vedette_rayserve.instrument:instrument",
            "Watch Ray Serve applications; monitors run as deployments of their own",
            extra="rayserve",
        )
    ]


@hookimpl
def vedette_register_commands(cli: Any) -> None:
    from vedette_rayserve.commands import register

    register(cli)
