"""What Vedette's plugin loader finds: the binding for BentoML."""

from __future__ import annotations

from collections.abc import Iterable

from vedette_specs.hooks import Component, hookimpl


@hookimpl
def vedette_register_platforms() -> Iterable[Component]:
    return [
        Component(
            "platform",
            "bentoml",
            "vedette_bentoml.watching:watch",
            "Watch BentoML services; monitors run as services of their own",
            extra="bentoml",
        )
    ]
