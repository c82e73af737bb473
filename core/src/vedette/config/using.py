"""From `{use: ks, correction: bh}` to a component: found, loaded, and its options judged one by one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from vedette.config.faults import did_you_mean
from vedette.config.plan import ComponentSpec
from vedette.config.reference import PREDICTION
from vedette.config.resolving import Context
from vedette.config.tree import Path
from vedette.plugins.errors import OptionError, PluginError
from vedette_specs import BaseComponent, Fittable, Metric, Tags
from vedette_specs.hooks import DETECTOR_KINDS, ComponentKind
from vedette_specs.schema import Kind, Schema

METRICS: tuple[ComponentKind, ...] = ("metric",)
DETECTORS = DETECTOR_KINDS
COLUMNS = {
    "prediction": f"column {PREDICTION!r}",
    "probabilities": "columns 'p_<class>', one for each class",
    "labels": "label column",
}


def use_component(
    ctx: Context,
    path: Path,
    name: str,
    options: Mapping[str, Any],
    kinds: Sequence[ComponentKind],
    alias: str = "",
    also: Sequence[str] = (),
) -> tuple[ComponentSpec, type[BaseComponent]] | None:
    """The component at `path`; None after a fault. also: keys beside the options, for "did you mean"."""
    try:
        cls = ctx.registry.load(name, kinds)
        kind = ctx.registry.find(name, kinds).kind
    except PluginError as error:
        ctx.fault((*path, "use"), str(error))
        return None
    checked = _options(ctx, path, name, _absolute(ctx, path, options), kinds, also)
    if checked is None:
        return None
    return ComponentSpec(kind, name, checked, alias), cls


def _options(
    ctx: Context, path: Path, name: str, options: Mapping[str, Any], kinds: Sequence[ComponentKind], also: Sequence[str]
) -> dict[str, Any] | None:
    try:
        checked = ctx.registry.validate(name, options, kinds)
        ctx.registry.build(name, checked, kinds)
    except OptionError as error:
        known = list(ctx.registry.options(name, kinds))
        for fault in error.faults:
            if fault.option and fault.option not in known:
                hint = _hint(fault.option, known, also)
                ctx.fault((*path, fault.option), f"{name} has no option {fault.option!r}{hint}", key=True)
            elif fault.option:
                where = (*path, fault.option) if fault.option in options else (*path, "use")
                ctx.fault(where, f"{name}: {fault}")
            else:
                message = fault.message.removeprefix(f"{name}: ")
                ctx.fault(_named(path, message, options), f"{name}: {message}")
        return None
    except PluginError as error:
        ctx.fault((*path, "use"), str(error))
        return None
    return {key: str(value) if isinstance(value, FilePath) else value for key, value in checked.items()}


def _hint(option: str, known: Sequence[str], also: Sequence[str]) -> str:
    close = difflib.get_close_matches(option, [*known, *also], n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; allowed: {', '.join(sorted(known))}" if known else "; it takes no options"


def _named(path: Path, message: str, options: Mapping[str, Any]) -> Path:
    """The option that a component's own complaint names first (`bins: 2 are too few`), else the component."""
    named = next((word for word in re.findall(r"\w+", message) if word in options), "use")
    return (*path, named)


def _absolute(ctx: Context, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options called `path` or `file` are relative to the YAML that they stand in."""
    out = dict(options)
    for key in ("path", "file"):
        if isinstance(out.get(key), str) and "://" not in out[key]:
            out[key] = str(FilePath(ctx.place((*path, key)).source.folder, out[key]))
    return out


def input_kinds(of: str, schema: Schema) -> set[Kind]:
    """The kinds of the columns that a monitor of this input sees."""
    if of == "inputs":
        return set(schema.features.values())
    if of in ("prediction", "labels"):
        return {"category" if schema.classes else "numeric"}
    return {"numeric"}


def check_fit(ctx: Context, path: Path, spec: ComponentSpec, cls: type[BaseComponent], of: str, changed: bool) -> None:
    """Whether the model and the reference give what the component needs. changed: preprocessed inputs."""
    where = (*path, "use")
    learns = spec.kind in (*DETECTORS, "explainer", "preprocessor") or cls.tags.learns
    if issubclass(cls, Fittable) and not ctx.has_reference and learns:
        ctx.fault(where, f"{spec.use} learns from a reference, but there is none: set 'reference:'")
    elif issubclass(cls, Fittable) and ctx.reference is not None:
        absent = [part for part in (of, *cls.tags.learns) if getattr(ctx.reference, part, True) is None]
        for part in dict.fromkeys(absent):
            ctx.fault(where, f"{spec.use} learns the {part} from the reference, which has no {COLUMNS[part]}")
    schema = ctx.schema
    if schema is None:
        return
    before = len(ctx.faults)
    component: BaseComponent = ctx.registry.build(spec.use, spec.options, (spec.kind,))
    _check_needs(ctx, where, spec.use, component.tags, of, changed)
    if of == "inputs" and not changed:
        _check_columns(ctx, path, spec, component, schema)
    if len(ctx.faults) == before:
        _check_binding(ctx, path, spec, component, schema)


def _check_columns(ctx: Context, path: Path, spec: ComponentSpec, component: BaseComponent, schema: Schema) -> None:
    """The option `columns` names inputs; a metric of labels may keep attributes too, which only rows bring."""
    columns = spec.options.get("columns")
    if not isinstance(columns, list | tuple) or not schema.features:
        return
    kept = component.kept_columns() if isinstance(component, Metric) else ()
    for index, column in enumerate(columns):
        if isinstance(column, str) and column not in schema.features and column not in kept:
            hint = did_you_mean(column, schema.features)
            ctx.fault((*path, "columns", index), f"{spec.use}: columns: there is no feature {column!r}{hint}")


def _check_binding(ctx: Context, path: Path, spec: ComponentSpec, component: BaseComponent, schema: Schema) -> None:
    """What the component itself says of the schema: a task that it cannot judge, a class that there is not."""
    try:
        component.bind(schema)
    except ValueError as error:
        message = str(error).removeprefix(f"{spec.use}: ")
        ctx.fault(_named(path, message, spec.options), f"{spec.use}: {message}")


def _check_needs(ctx: Context, where: Path, use: str, tags: Tags, of: str, changed: bool) -> None:
    schema = ctx.schema
    if schema is None:
        return
    if tags.needs_labels and schema.task == "none":
        ctx.fault(where, f"{use} needs labels, but the schema has none: set 'schema.label' or 'schema.task'")
    elif tags.needs_prediction and schema.task == "none":
        ctx.fault(where, f"{use} needs predictions, but the schema has no task: set 'schema.task'")
    if tags.needs_probabilities or of == "probabilities":
        _check_probabilities(ctx, where, use, schema)
    if changed or not schema.features:
        return
    kinds = input_kinds(of, schema)
    if kinds and not kinds & set(tags.modalities) and not (tags.needs_labels or tags.needs_prediction):
        seen = ", ".join(sorted(kinds))
        ctx.fault(where, f"{use} works on {', '.join(tags.modalities)} columns, but '{of}' has only {seen}")


def _check_probabilities(ctx: Context, where: Path, use: str, schema: Schema) -> None:
    if schema.task not in ("binary", "multiclass"):
        ctx.fault(where, f"{use} needs probabilities, but the schema's task is {schema.task!r}: it has no classes")
    elif ctx.document.capture.probabilities == "none":
        ctx.fault(where, f"{use} needs probabilities, but 'capture.probabilities' is 'none'")
