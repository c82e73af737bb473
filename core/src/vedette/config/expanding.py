"""A plan as YAML: what the configuration says, with automatic monitors, defaults and schema written out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from vedette.config.models import Document
from vedette.config.plan import AlertSpec, ComponentSpec, MonitorSpec, Plan, WindowSpec
from vedette.config.values import format_duration
from vedette_specs.schema import Schema

_ORDER = [field.alias or name for name, field in Document.model_fields.items()]


def expand_plan(plan: Plan) -> str:
    """YAML that loads to the same plan; variables stay unexpanded, as they are in `plan.source`."""
    import yaml

    body = copy.deepcopy(dict(plan.source))
    body["schema"] = _schema(plan.schema)
    said = body.get("monitors")
    said = said if isinstance(said, Mapping) else {}
    body["monitors"] = {m.name: _monitor(m, said.get(m.name)) for m in plan.monitors}
    ordered = {key: body[key] for key in _ORDER if key in body}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def explicit(monitors: Iterable[MonitorSpec]) -> dict[str, Any]:
    """Automatic monitors written out, so that a bundle has the same ones wherever it runs."""
    return {monitor.name: _monitor(monitor, None) for monitor in monitors}


def _schema(schema: Schema) -> dict[str, Any]:
    optional = {"classes": list(schema.classes), "positive": schema.positive, "label": schema.label}
    said: dict[str, Any] = {"task": schema.task, **{key: value for key, value in optional.items() if value}}
    if schema.task == "binary":
        said["threshold"] = schema.threshold
    return {**said, "features": dict(schema.features)}


def _monitor(spec: MonitorSpec, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """As said (its options may hold variables), with the defaults of what was not said."""
    body = dict(said) if said is not None else _components(spec)
    if spec.windows and "window" not in body:
        body["window"] = [_window(w) for w in spec.windows]
        body["window"] = body["window"][0] if len(body["window"]) == 1 else body["window"]
    if "alert" not in body:
        body["alert"] = _alert(spec.alert)
    if "of" not in body and spec.of != "inputs":
        body["of"] = spec.of
    return body | {"pool": spec.pool}


def _components(spec: MonitorSpec) -> dict[str, Any]:
    parts = [_component(c) for c in spec.components]
    return {"metrics": parts} if spec.kind == "metric" else {"detect": parts[0]}


def _component(spec: ComponentSpec) -> Any:
    return {"use": spec.use, **spec.options} if spec.options else spec.use


def _window(spec: WindowSpec) -> Any:
    every = f"{spec.every:g} rows" if spec.rows is not None else format_duration(spec.every)
    if spec.rows is not None:
        return {"last": f"{spec.rows} rows", "every": every}
    if spec.calendar:
        return {"calendar": spec.calendar, "zone": spec.zone} | ({"every": every} if spec.every else {})
    if spec.half_life:
        return {"half_life": format_duration(spec.half_life), "every": every}
    if spec.since:
        return {"since": spec.since, "every": every, "longest": format_duration(spec.span or 0)}
    if spec.lifetime:
        return {"lifetime": True, "every": every}
    return {"span": format_duration(spec.span or 0), "every": every}


def _alert(spec: AlertSpec | None) -> Any:
    return False if spec is None else {"when": spec.when, "severity": spec.severity}
