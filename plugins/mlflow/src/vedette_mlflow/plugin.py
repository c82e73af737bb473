"""What Vedette's plugin loader finds: the binding for MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from vedette_specs.hooks import Component, FoundModel, hookimpl


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


@hookimpl
def vedette_register_sinks() -> Iterable[Component]:
    return [
        Component(
            "sink",
            "mlflow",
            "vedette_mlflow.sink:MLflow",
            "results as metrics of a run, alerts as tags, explanations as artifacts",
            extra="mlflow",
        )
    ]


@hookimpl
def vedette_register_commands(cli: Any) -> None:
    from vedette_mlflow.commands import register

    register(cli)


@hookimpl
def vedette_load_model(uri: str) -> FoundModel | None:
    if not uri.startswith(("models:/", "runs:/")) or find_spec("mlflow") is None:
        return None
    from vedette_mlflow.models import find

    return find(uri)
