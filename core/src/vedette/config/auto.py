"""`monitors: auto`: what is installed and fits the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vedette.config.models import MonitorSection
from vedette.config.monitoring import resolve_monitors
from vedette.config.plan import MonitorSpec
from vedette.config.resolving import Context

NAMES = ("quality", "drift", "shift", "outliers", "performance", "estimated")


def auto_monitors(ctx: Context) -> tuple[MonitorSpec, ...]:
    """The monitors that the model can have; one fault where it can have none."""
    found: list[MonitorSpec] = []
    for name, body in _candidates(ctx):
        metrics = body.get("metrics")
        if metrics is not None:
            body["metrics"] = [metric for metric in metrics if _try(ctx, name, {"metrics": [metric]})]
        if body.get("metrics") != [] and (fits := _try(ctx, name, body)):
            found += fits
    if not found and not ctx.faults:
        ctx.fault(("monitors",), "monitors: auto has nothing to watch: set 'reference', or 'schema.features'", key=True)
    return tuple(found)


def _candidates(ctx: Context) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = ctx.schema
    if schema is None or not schema.features:
        return
    yield "quality", {"metrics": ["missing_rate", "moments"]}
    yield "drift", {"detect": "tabular"}
    yield "shift", {"detect": "conformal"}
    yield "outliers", {"detect": "isolation_forest"}
    if schema.label is None:
        return
    if schema.task == "regression":
        yield "performance", {"metrics": ["mae", "rmse"]}
        return
    yield "performance", {"metrics": ["accuracy", "log_loss", *(["roc_auc"] if schema.task == "binary" else [])]}
    yield "estimated", {"metrics": ["cbpe"]}


def _try(ctx: Context, name: str, body: dict[str, Any]) -> tuple[MonitorSpec, ...]:
    """The monitor, or nothing where it would be at fault."""
    trial = ctx.trial()
    monitors = resolve_monitors(trial, {name: MonitorSection.model_validate(body)})
    return () if trial.faults else monitors
