"""What Vedette's plugin loader finds: the binding for MLflow."""

from __future__ import annotations

from collections.abc import Iterable

from vedette_specs.hooks import Component, hookimpl


@hookimpl
def vedette_register_platforms() -> Iterable[Component]:
    return [
        Component(
            "platform",
            "mlflow",
            "vedette_mlflow.serving:serve",
            "Serve MLflow models as `mlflow models serve` does, watched",
            extra="mlflow",
        )
    ]
