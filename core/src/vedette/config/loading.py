"""From YAML files to a plan, or to all the faults that they have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vedette.config import sections as part
from vedette.config.alerting import joint_alerts
from vedette.config.auto import auto_monitors
from vedette.config.expanding import explicit
from vedette.config.faults import ConfigError, Fault, Note, Source
from vedette.config.files import BadReference
from vedette.config.inference import infer_schema
from vedette.config.monitoring import resolve_monitors
from vedette.config.plan import Plan, TapSpec
from vedette.config.reading import MAX_BYTES, read
from vedette.config.reference import fit_reference, read_columns
from vedette.config.resolving import Catalogue, Context, hide
from vedette.config.tree import Node, merge
from vedette.config.tree import Path as Keys
from vedette.config.validation import validate
from vedette.config.variables import expand
from vedette.config.windows import section_window
from vedette_specs import Batch, FoundModel, Schema


@dataclass(frozen=True)
class Loaded:
    """A plan with the rows that its schema was inferred from (None where there are none).

    notes: what people should know, though it is not wrong.  tree: where everything stands.
    """

    plan: Plan
    reference: Batch | None
    tree: Node
    notes: tuple[Note, ...] = ()

    def fault(self, path: Keys, message: str) -> Fault:
        """What was found wrong later on, at its place; what came out of variables is shown as it was written."""
        return Fault.at(self.tree.place_of(path), hide(message, self.tree.at(path)))


def load(
    path: str | os.PathLike[str],
    *more: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    registry: Catalogue | None = None,
) -> Plan:
    """The plan of one or several YAML files, each laid on those before it.

    Raises ConfigError with all faults at once, each with file, line and column.
    """
    return load_all([path, *more], env=env, registry=registry).plan


def load_all(
    paths: Iterable[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    registry: Catalogue | None = None,
    model: FoundModel | None = None,
) -> Loaded:
    """`load`, with the reference that was read.

    model: found already, whatever `model.uri` says; its inputs are the features where `schema:` names none.
    """
    return _load(_opened(paths), env, registry, None, model)


def load_tap(
    paths: Iterable[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None
) -> tuple[TapSpec, str | None]:
    """The tap's settings and the model's version, for a process that must not wait for the rest.

    Neither the reference nor a component is looked at: milliseconds, where `load` takes seconds. Raises ConfigError.
    """
    faults: list[Fault] = []
    tree = expand(_tree(_opened(paths), faults), os.environ if env is None else env, faults)
    document, _ = validate(tree, faults)
    ctx = Context(tree, document, _registry(), faults)
    settings = part.resolve_tap(ctx)
    if faults:
        raise ConfigError(faults)
    return settings, document.model.version


def load_text(
    text: str,
    name: str = "monitors.yaml",
    base: str | os.PathLike[str] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    registry: Catalogue | None = None,
    schema: Schema | None = None,
) -> Plan:
    """The plan of a YAML text. base: the folder that its relative paths start from (the working directory).

    With `schema` the reference is not read: for a bundle, whose schema was inferred when it was built.
    """
    return _load([Source(name, text, str(Path(base or ".").absolute()))], env, registry, schema).plan


def from_source(
    source: Mapping[str, Any],
    *,
    schema: Schema,
    base: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    registry: Catalogue | None = None,
) -> Plan:
    """The plan of `Plan.source`, where it runs: variables are expanded here, the reference is not read."""
    import yaml

    text = yaml.safe_dump(dict(source), sort_keys=False, allow_unicode=True)
    return load_text(text, "bundle", base, env=env, registry=registry, schema=schema)


def with_version(plan: Plan, version: str | None) -> Plan:
    """The plan for a version of the model that was found at start, unless the YAML names one itself.

    It stands in the source too, so that a bundle of it, wherever it is read, is for this version.
    """
    if plan.model_version is not None or not version:
        return plan
    model = {**plan.source["model"], "version": version}
    return replace(plan, model_version=version, source={**plan.source, "model": model})


def _opened(paths: Iterable[str | os.PathLike[str]]) -> list[Source]:
    sources, faults = [], []
    for path in paths:
        try:
            sources.append(_open(Path(path)))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            faults.append(Fault(str(path), 0, 0, f"the file cannot be read: {reason}"))
    if faults:
        raise ConfigError(faults)
    return sources


def _open(path: Path) -> Source:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    text = data.decode("utf-8-sig", errors="strict" if len(data) <= MAX_BYTES else "replace")
    return Source(str(path), text, str(path.absolute().parent))


def _load(
    sources: list[Source],
    env: Mapping[str, str] | None,
    registry: Catalogue | None,
    schema: Schema | None,
    model: FoundModel | None = None,
) -> Loaded:
    faults: list[Fault] = []
    tree = _tree(sources, faults)
    written = tree.data()
    unset: list[Fault] = []
    tree = expand(tree, os.environ if env is None else env, unset)
    document, left_out = validate(tree, faults)
    ctx = Context(tree, document, registry or _registry(), faults)
    uri = part.resolve_reference(ctx)
    columns = _columns(ctx, uri) if schema is None else None
    ctx.has_reference = uri is not None or document.reference is not None
    if schema is not None:
        ctx.schema = schema
    elif uri is None or columns is not None:
        ctx.schema = None if ("schema",) in left_out else _schema(ctx, columns, model or _model(ctx))
    ctx.reference = _rows(ctx, columns)
    plan = _plan(ctx, uri, written)
    places = {(fault.file, fault.line, fault.column) for fault in unset}
    faults = unset + [fault for fault in faults if (fault.file, fault.line, fault.column) not in places]
    if faults:
        raise ConfigError(faults)
    return Loaded(plan, ctx.reference, tree, tuple(dict.fromkeys(ctx.notes)))


def _tree(sources: list[Source], faults: list[Fault]) -> Node:
    """The merged tree; ConfigError where a file is no YAML at all."""
    trees = []
    for source in sources:
        tree, found = read(source)
        faults += found
        if tree is not None:
            trees.append(tree)
    if len(trees) < len(sources):
        raise ConfigError(faults)
    merged = trees[0]
    for over in trees[1:]:
        merged = merge(merged, over)
    return merged


def _registry() -> Catalogue:
    from vedette.plugins import get_registry

    return get_registry()


def _columns(ctx: Context, uri: str | None) -> Mapping[str, Any] | Batch | None:
    if uri is None:
        return None
    try:
        return read_columns(uri, ctx.registry)
    except BadReference as error:
        ctx.fault(("reference", "uri"), f"reference: {error}")
        return None


def _model(ctx: Context) -> FoundModel | None:
    """The model that a plugin finds under `model.uri`; not asked for where `schema:` names the features."""
    uri = ctx.document.model.uri
    if uri is None or ctx.document.data_schema.features is not None:
        return None
    try:
        return ctx.registry.load_model(uri)
    except Exception as error:  # a plugin's, which has logged it
        ctx.fault(("model", "uri"), f"model.uri: {uri!r}: {error}")
        return None


def _schema(ctx: Context, columns: Mapping[str, Any] | Batch | None, model: FoundModel | None) -> Schema | None:
    try:
        return infer_schema(ctx.document.data_schema, columns, None if model is None else model.features)
    except BadReference as error:
        for one in error.all:
            ctx.fault(("schema", *one.path), f"schema: {one}")
        return None


def _rows(ctx: Context, columns: Mapping[str, Any] | Batch | None) -> Batch | None:
    if columns is None or ctx.schema is None:
        return None
    try:
        return fit_reference(columns, ctx.schema, attributes=_segments(ctx))
    except BadReference as error:
        path = ("schema", *error.path) if error.path else ("reference",)
        ctx.fault(path, f"{path[0]}: {error}")
        return None


def _segments(ctx: Context) -> set[str]:
    """Columns that monitors are segmented by."""
    return {column for monitor in (ctx.document.monitors or {}).values() for column in monitor.by}


def _plan(ctx: Context, uri: str | None, written: Mapping[str, Any]) -> Plan:
    document = ctx.document
    _check_all_names(ctx)
    part.refuse_refresh(ctx)
    for name, section in document.windows.items():
        section_window(ctx, ("windows", name), name, section)
    if document.monitors is None:
        monitors = auto_monitors(ctx) if ctx.tree.child("monitors") is None or _says_auto(ctx) else ()
        ctx.auto_names = tuple(monitor.name for monitor in monitors)
    else:
        monitors = resolve_monitors(ctx, document.monitors)
    explainers = part.resolve_explainers(ctx)
    return Plan(
        model=document.model.name,
        schema=ctx.schema or Schema(),
        model_uri=document.model.uri,
        model_version=document.model.version,
        reference=uri,
        store=part.resolve_store(ctx),
        monitors=monitors,
        alerts=joint_alerts(ctx, monitors),
        explainers=explainers,
        preprocessors=part.resolve_preprocessors(ctx),
        pools=part.resolve_pools(ctx, monitors, explainers),
        sinks=part.resolve_sinks(ctx),
        capture=part.resolve_capture(ctx),
        labels=part.resolve_labels(ctx),
        tap=part.resolve_tap(ctx),
        privacy=part.resolve_privacy(ctx, ctx.schema),
        server=part.resolve_server(ctx),
        retention=document.retention,
        source={**written, "monitors": explicit(monitors)} if ctx.auto_names else written,
    )


def _says_auto(ctx: Context) -> bool:
    node = ctx.tree.child("monitors")
    return node is not None and node.value == "auto"


def _check_all_names(ctx: Context) -> None:
    """Names are names, and stand once among monitors, explainers and alerts."""
    for section in ("windows", "preprocessors", "monitors", "explainers", "alerts", "pools", "sinks"):
        ctx.check_names(section)
    seen: dict[str, str] = {}
    for section in ("monitors", "explainers", "alerts"):
        for name in ctx.written(section):
            if name in seen:
                ctx.fault(
                    (section, name),
                    f"{name!r} stands in {seen[name]!r} too; monitors, explainers and alerts share their names",
                    key=True,
                )
            seen.setdefault(name, section)
