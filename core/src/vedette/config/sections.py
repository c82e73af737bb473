"""The other sections: explainers, preprocessors, pools, sinks, capture, tap, privacy, server, and paths."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, get_args

from vedette.config.faults import Fault
from vedette.config.models import SampleSection, TokenScope, UseSection
from vedette.config.plan import (
    CaptureSpec,
    ExplainerSpec,
    LabelsSpec,
    MonitorSpec,
    PoolSpec,
    PreprocessorSpec,
    PrivacySpec,
    ServerSpec,
    SinkSpec,
    TapSpec,
)
from vedette.config.reference import local_path
from vedette.config.resolving import Context
from vedette.config.store_url import store_problem, without_password
from vedette.config.tree import Path
from vedette.config.using import check_fit, use_component
from vedette_specs import Schema

SCOPES: tuple[str, ...] = get_args(TokenScope)
MAX_REPLICAS = 1000


def resolve_explainers(ctx: Context) -> tuple[ExplainerSpec, ...]:
    found = []
    for name, section in ctx.document.explainers.items():
        path: Path = ("explainers", name)
        budget = ("background", "max_rows", "max_calls", "deadline", "pool")
        options = {**_shared(ctx, section, {"background", "max_rows"}), **section.options}
        one = use_component(ctx, path, section.use, options, ("explainer",), name, ("use", *budget))
        if one is not None:
            check_fit(ctx, path, *one, "inputs", changed=False)
            limits = {key: getattr(section, key) for key in budget}
            found.append(ExplainerSpec(name, one[0], **limits))
    return tuple(found)


def _shared(ctx: Context, section: UseSection, names: set[str]) -> dict[str, Any]:
    """Keys of our own, as given, that the component has as options too."""
    from vedette.plugins.errors import PluginError

    try:
        known = ctx.registry.options(section.use, ("explainer",))
    except PluginError:  # reported where the component is used
        return {}
    return {name: getattr(section, name) for name in names & section.model_fields_set if name in known}


def resolve_preprocessors(ctx: Context) -> tuple[PreprocessorSpec, ...]:
    found = []
    for name, section in ctx.document.preprocessors.items():
        path: Path = ("preprocessors", name)
        one = use_component(ctx, path, section.use, section.options, ("preprocessor",), name, ("use",))
        if one is not None:
            check_fit(ctx, path, *one, "inputs", changed=False)
            found.append(PreprocessorSpec(name, one[0]))
    return tuple(found)


def resolve_sinks(ctx: Context) -> tuple[SinkSpec, ...]:
    found = []
    for name, section in ctx.document.sinks.items():
        also = ("use", "events", "severity")
        one = use_component(ctx, ("sinks", name), section.use, section.options, ("sink",), name, also)
        if one is not None:
            found.append(SinkSpec(name, one[0], section.events, section.severity))
    return tuple(found)


def resolve_pools(
    ctx: Context, monitors: Iterable[MonitorSpec], explainers: Iterable[ExplainerSpec]
) -> tuple[PoolSpec, ...]:
    """Declared pools, and with defaults those that are only used; `default` is always there, and first."""
    found: dict[str, PoolSpec] = {"default": PoolSpec("default")}
    for name, section in ctx.document.pools.items():
        least = section.replicas.min
        most = section.replicas.max if section.replicas.max is not None else max(1, least)
        if not least <= most <= MAX_REPLICAS or most < 1:
            ctx.fault(("pools", name, "replicas"), f"replicas: min {least} and max {most} do not fit; 0 <= min <= max")
        found[name] = PoolSpec(name, least, most, section.cpus)
    for pool in [*(monitor.pool for monitor in monitors), *(explainer.pool for explainer in explainers)]:
        found.setdefault(pool, PoolSpec(pool))
    return tuple(found.values())


def resolve_capture(ctx: Context) -> CaptureSpec:
    said = ctx.document.capture
    return CaptureSpec(**{key: getattr(said, key) for key in type(said).model_fields})


def resolve_labels(ctx: Context) -> LabelsSpec:
    said = ctx.document.labels
    if said.join != "id":
        _check_join(ctx, said.join)
    return LabelsSpec(said.join, said.within, said.coverage)


def _check_join(ctx: Context, join: str) -> None:
    """The column must be one that is there and is stored. A Session may log attributes that no file names."""
    path: Path = ("labels", "join")
    attributes, features = ctx.document.capture.attributes, ctx.schema.features if ctx.schema else {}
    known = ["id", *attributes, *features]
    close = ["id"] if join.lower() == "id" else difflib.get_close_matches(join, known, n=1, cutoff=0.6)
    if join in ctx.document.privacy.redact:
        ctx.fault(path, f"join: {join!r} stands in privacy.redact: it is not stored, so no label could be joined by it")
    elif features.get(join) in ("image", "embedding"):
        ctx.fault(path, f"join: {join!r} is of kind {features[join]}; allowed: numeric, category, text columns")
    elif join not in known and (attributes or close):
        hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(known)}"
        ctx.fault(path, f"join: there is no column or attribute {join!r}; {hint}")
    elif join not in known:
        ctx.note(
            path,
            f"join: {join!r} is neither a feature nor in 'capture.attributes': rows must bring it as an attribute, "
            f"or no label finds its prediction",
        )


def resolve_tap(ctx: Context) -> TapSpec:
    said, default = ctx.document.tap, TapSpec()
    rows, size = said.buffer or (None, None)
    return TapSpec(
        buffer_rows=default.buffer_rows if rows is None else rows,
        buffer_bytes=default.buffer_bytes if size is None else size,
        spool=None if said.spool is None else absolute(ctx, ("tap", "spool"), said.spool),
        sync=said.sync,
    )


def resolve_privacy(ctx: Context, schema: Schema | None) -> PrivacySpec:
    said = ctx.document.privacy
    for index, column in enumerate(said.redact):
        close = [] if schema is None else difflib.get_close_matches(column, schema.features, n=1, cutoff=0.6)
        if close and schema is not None and column not in schema.features:  # others may be columns of the request only
            hint = f"did you mean {close[0]!r}?"
            ctx.fault(("privacy", "redact", index), f"redact: the model has no input {column!r}; {hint}")
    payloads = said.payloads.sample if isinstance(said.payloads, SampleSection) else said.payloads
    return PrivacySpec(said.redact, payloads)


def resolve_server(ctx: Context) -> ServerSpec:
    said = ctx.document.server
    tokens: dict[str, tuple[str, ...]] = {}
    if isinstance(said.tokens, Mapping):
        for scope, texts in said.tokens.items():
            for token, _ in _tokens(ctx, ("server", "tokens", scope), texts):
                tokens[token] = (*tokens.get(token, ()), scope)
    else:
        tokens = dict(_tokens(ctx, ("server", "tokens"), said.tokens))
    return ServerSpec(tokens, said.host, said.port, said.max_body)


def _tokens(ctx: Context, path: Path, texts: Iterable[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """(token, scopes) a line; `token read write` limits its scopes. Faults never show a token."""
    count = 0
    for line in (line.strip() for text in texts for line in text.splitlines()):
        token, *scopes = line.split() or [""]
        if not token or token.startswith("#"):
            continue
        count += 1
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            allowed = ", ".join(SCOPES)
            ctx.fault(
                path, f"tokens: after token {count} stand {len(unknown)} words that are no scopes; allowed: {allowed}"
            )
        yield token, tuple(scopes) or SCOPES
    if not count and texts:
        ctx.fault(path, "tokens: there is no token in it; leave the key out to serve the loopback only")


def absolute(ctx: Context, path: Path, text: str) -> str:
    """A path of the file system, from the folder of the YAML that names it."""
    return str(FilePath(ctx.place(path).source.folder, text))


def refuse_refresh(ctx: Context) -> None:
    """A fault: nothing follows an alias."""
    if ctx.document.model.refresh is not None:
        reason = "what an alias names at start is served; start again to follow it"
        ctx.fault(("model", "refresh"), f"model: 'refresh' is not supported yet: {reason}", key=True)


def resolve_reference(ctx: Context) -> str | None:
    """The reference's URI, with its path absolute; faults for forms that are not supported yet."""
    said = ctx.document.reference
    if said is None:
        return None
    for key in ("first", "phase"):
        if getattr(said, key) is not None:
            ctx.fault(("reference", key), f"reference: {key!r} is not supported yet; name a file or URI", key=True)
    if said.uri is None:
        if said.first is None:
            ctx.fault(("reference",), "reference: the key 'uri' is missing", key=True)
        return None
    file = local_path(said.uri)
    return said.uri if file is None else absolute(ctx, ("reference", "uri"), str(file))


def resolve_store(ctx: Context) -> str:
    """The database's URL; an SQLite file is relative to the YAML."""
    url, prefix = ctx.document.store, "sqlite:///"
    if problem := store_problem(url):
        _store_fault(ctx, url, problem)
    rest = url.removeprefix(prefix)
    if not url.startswith(prefix) or rest.startswith(("/", "file:", ":memory:")) or not rest:
        return url
    return prefix + absolute(ctx, ("store",), rest)


def _store_fault(ctx: Context, url: str, problem: str) -> None:
    """Shown without a password, in the line of the file too; what came out of variables as it was written."""
    written = ctx.tree.at(("store",)).raw
    fault = Fault.at(ctx.place(("store",)), f"store: {written or without_password(url)!r} {problem}")
    line = fault.source_line if written else fault.source_line.replace(url, without_password(url))
    ctx.faults.append(replace(fault, source_line=line))
