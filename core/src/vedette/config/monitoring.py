"""Monitors: components, input, windows, segments, alert, explanation and pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.config.alerting import check_own_rule, monitor_alert
from vedette.config.faults import did_you_mean
from vedette.config.models import ComponentSection, MonitorSection
from vedette.config.plan import CompareSpec, ComponentSpec, ExplainSpec, MonitorSpec, WindowSpec
from vedette.config.resolving import Context
from vedette.config.segments import check_read, check_segments
from vedette.config.tree import Path
from vedette.config.using import DETECTORS, METRICS, check_fit, use_component
from vedette.config.windows import DEFAULT_ROWS, default_window, resolve_windows
from vedette_specs import BaseComponent, Fittable, Metric
from vedette_specs.hooks import ComponentKind

INPUTS = ("inputs", "prediction", "probabilities", "labels")
ROW_SCORERS: tuple[ComponentKind, ...] = ("outlier", "adversarial")
WINDOWED: tuple[ComponentKind, ...] = ("metric", "drift")
DEFAULT_FDR = 0.1
OWN_DETAILS = ("insufficient", "labels", "compared")  # keys of a result's details, beside which components' stand
Loaded = tuple[ComponentSpec, type[BaseComponent]]


@dataclass(frozen=True)
class _Draft:
    """A monitor whose components are known, before it is wired to others."""

    section: MonitorSection
    loaded: tuple[Loaded, ...]
    fdr: float

    @property
    def kind(self) -> ComponentKind:
        return self.loaded[0][0].kind


def resolve_monitors(ctx: Context, sections: Mapping[str, MonitorSection]) -> tuple[MonitorSpec, ...]:
    """All monitors, sources before those that read their scores; faults go to the context."""
    drafts = {name: _draft(ctx, ("monitors", name), section) for name, section in sections.items()}
    sources = {name: _source(ctx, name, section.of) for name, section in sections.items()}
    order = _ordered(ctx, sources)
    pools = _pools(ctx, sections, sources, order)
    found = []
    for name in order:
        draft = drafts[name]
        if draft is not None:
            _check_source(ctx, name, draft, drafts.get(sources[name] or ""))
            found.append(_monitor(ctx, name, draft, pools[name]))
            _check_changes(ctx, name, found[-1].windows, drafts, pools)
        else:
            _check_rest(ctx, name, sections[name])
    return tuple(found)


def _check_rest(ctx: Context, name: str, section: MonitorSection) -> None:
    """What can be judged of a monitor whose components are at fault."""
    path: Path = ("monitors", name)
    resolve_windows(ctx, (*path, "window"), section.window or ())
    _check_names(ctx, path, section)
    check_segments(ctx, (*path, "by"), section.by, learns=False)
    if section.alert and section.alert.when is not None:
        check_own_rule(ctx, (*path, "alert"), section.alert)
    if section.explain is not None:
        ctx.known((*path, "explain", "use"), section.explain.use, "explainers", "explainer")


def _check_names(ctx: Context, path: Path, section: MonitorSection) -> None:
    for index, preprocessor in enumerate(section.preprocess):
        ctx.known((*path, "preprocess", index), preprocessor, "preprocessors", "preprocessor")


def _draft(ctx: Context, path: Path, section: MonitorSection) -> _Draft | None:
    if (section.metrics is None) == (section.detect is None):
        found = "neither" if section.metrics is None else "both"
        ctx.fault(path, f"a monitor has exactly one of 'metrics' and 'detect'; found {found}", key=True)
        return None
    if section.detect is not None:
        return _detector(ctx, (*path, "detect"), section, section.detect)
    loaded: list[Loaded] = []
    built: list[tuple[ComponentSpec, Any]] = []
    for index, item in enumerate(section.metrics or ()):
        where = (*path, "metrics", index)
        one = use_component(ctx, where, item.use, item.options, METRICS, _alias(item), ("use", "as"))
        if one is not None:
            _judge(ctx, where, one, section)
            spec, _ = one
            built.append((spec, ctx.registry.build(spec.use, spec.options, (spec.kind,))))
            _check_read(ctx, where, *built[-1])
            loaded.append(one)
    _unique(ctx, path, section.metrics or ())
    _check_mixed(ctx, path, built)
    return _Draft(section, tuple(loaded), DEFAULT_FDR) if loaded else None


def _check_read(ctx: Context, path: Path, spec: ComponentSpec, part: Any) -> None:
    """Columns that a metric names in an option other than `columns`, which fitting and the schema judge."""
    for column in part.kept_columns():
        if column not in (spec.options.get("columns") or ()):
            key = next((k for k, value in spec.options.items() if value == column), spec.alias)
            check_read(ctx, path, column, key)


def _check_mixed(ctx: Context, path: Path, built: Sequence[tuple[ComponentSpec, Any]]) -> None:
    """Metrics that read inputs beside some that wait for labels: when these come, the inputs are gone."""
    waiting = [spec.alias for spec, part in built if part.tags.needs_labels]
    for index, (spec, part) in enumerate(built):
        tags = part.tags
        others = tags.needs_labels or tags.needs_prediction or tags.needs_probabilities
        reads_inputs = tags.needs_inputs or not others
        if waiting and reads_inputs and not part.kept_columns():
            ctx.fault(
                (*path, "metrics", index),
                f"{spec.alias} reads inputs, which are gone when the labels come that "
                f"{waiting[0]} waits for: put it into a monitor of its own",
            )


def _detector(ctx: Context, path: Path, section: MonitorSection, item: ComponentSection) -> _Draft | None:
    options, fdr = dict(item.options), DEFAULT_FDR
    if "fdr" in options and _kind_of(ctx, item.use) in ROW_SCORERS:
        rate = options.pop("fdr")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
            ctx.fault((*path, "fdr"), f"fdr: a rate between 0 and 1 is expected, not {rate!r}")
        else:
            fdr = float(rate)
    one = use_component(ctx, path, item.use, options, DETECTORS, _alias(item), ("use", "as", "fdr"))
    if one is None:
        return None
    _judge(ctx, path, one, section)
    return _Draft(section, (one,), fdr)


def _kind_of(ctx: Context, name: str) -> ComponentKind | None:
    try:
        return ctx.registry.find(name, DETECTORS).kind
    except LookupError:  # reported where the component is used
        return None


def _judge(ctx: Context, path: Path, one: Loaded, section: MonitorSection) -> None:
    check_fit(ctx, path, *one, section.of, bool(section.preprocess))


def _alias(item: ComponentSection) -> str:
    """`as`, else the component's name without its plugin, as a name."""
    return item.alias or item.use.rpartition("/")[2].replace("-", "_")


def _unique(ctx: Context, path: Path, items: Iterable[ComponentSection]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        alias = _alias(item)
        if alias in OWN_DETAILS:
            ctx.fault((*path, "metrics", index), f"{alias!r} is taken: a result's details have it; choose another 'as'")
        if alias in seen:
            ctx.fault((*path, "metrics", index), f"{alias!r} stands here twice: name one of them with 'as'")
        seen.add(alias)


def _source(ctx: Context, name: str, of: str) -> str | None:
    """The monitor whose score this one reads; faults for what is no input."""
    path: Path = ("monitors", name, "of")
    if of in INPUTS:
        return None
    source, dot, value = of.partition(".")
    known = ctx.monitor_names
    if not dot:
        choices = [*INPUTS, *(f"{other}.score" for other in known if other != name)]
        ctx.fault(path, f"of: {of!r} is no input{did_you_mean(of, choices)}")
    elif source not in known:
        ctx.fault(path, f"of: there is no monitor {source!r}{did_you_mean(source, [n for n in known if n != name])}")
    elif value != "score":
        ctx.fault(path, f"of: a monitor gives only its score: write '{source}.score', not {of!r}")
    else:
        return source
    return None


def _ordered(ctx: Context, sources: Mapping[str, str | None]) -> list[str]:
    """Names with sources first, else as written. Cycles are faults, and left as written."""
    done: list[str] = []
    reported: set[str] = set()
    for name in sources:
        trail: list[str] = []
        at: str | None = name
        while at in sources and at not in done and at not in trail:
            trail.append(str(at))
            at = sources[str(at)]
        if at in trail and not reported & set(trail):
            cycle = [*trail[trail.index(str(at)) :], str(at)]
            ctx.fault(("monitors", str(at), "of"), f"of: monitors read each other in a circle: {' -> '.join(cycle)}")
            reported |= set(trail)
        done += reversed(trail)
    return done


def _pools(
    ctx: Context, sections: Mapping[str, MonitorSection], sources: Mapping[str, str | None], order: list[str]
) -> dict[str, str]:
    """Every monitor's pool; one that reads a score runs where its source does."""
    pools: dict[str, str] = {}
    for name in order:
        said, source = sections[name].pool, sources[name]
        inherited = pools.get(source) if source else None
        if said and inherited and said != inherited:
            ctx.fault(
                ("monitors", name, "pool"),
                f"pool: {name!r} reads the score of {source!r}, so it runs in its pool, {inherited!r}, not in {said!r}",
            )
        pools[name] = inherited or said or "default"
    return pools


def _check_source(ctx: Context, name: str, draft: _Draft, source: _Draft | None) -> None:
    if source is not None and source.kind not in ROW_SCORERS:
        ctx.fault(
            ("monitors", name, "of"),
            f"of: {draft.section.of!r} does not exist: a {source.kind} monitor scores no rows; "
            f"allowed: monitors that detect {' or '.join(ROW_SCORERS)} rows",
        )


def _monitor(ctx: Context, name: str, draft: _Draft, pool: str) -> MonitorSpec:
    section = draft.section
    path: Path = ("monitors", name)
    _check_names(ctx, path, section)
    learns = any(issubclass(cls, Fittable) for _, cls in draft.loaded)
    check_segments(ctx, (*path, "by"), section.by, learns=learns)
    if section.compare is not None and section.compare.by not in section.by:
        check_segments(ctx, (*path, "compare", "by"), (section.compare.by,), learns=learns)
    windows = _windows(ctx, (*path, "window"), draft)
    return MonitorSpec(
        name=name,
        components=tuple(spec for spec, _ in draft.loaded),
        of=section.of,
        windows=windows,
        by=_by(section),
        compare=_compare(ctx, (*path, "compare"), draft),
        preprocess=section.preprocess,
        alert=monitor_alert(ctx, (*path, "alert"), name, draft.kind, section.alert, windows),
        explain=_explain(ctx, (*path, "explain"), draft),
        pool=pool,
        fdr=draft.fdr,
    )


def _windows(ctx: Context, path: Path, draft: _Draft) -> tuple[WindowSpec, ...]:
    said = draft.section.window
    if draft.kind in WINDOWED:
        windows = (default_window(),) if said is None else resolve_windows(ctx, path, said)
        if any(window.half_life for window in windows):
            _check_decay(ctx, path, draft)
        return windows
    if said is not None:
        why = "is sequential" if draft.kind == "change" else "scores row by row"
        ctx.fault(path, f"{draft.loaded[0][0].use} {why}: it takes no window", key=True)
    return ()


def _by(section: MonitorSection) -> tuple[str, ...]:
    """Segment columns; the one that is compared comes last."""
    compare = section.compare
    return section.by if compare is None else (*(name for name in section.by if name != compare.by), compare.by)


def _compare(ctx: Context, path: Path, draft: _Draft) -> CompareSpec | None:
    said = draft.section.compare
    if said is None:
        return None
    windows = resolve_windows(ctx.trial(), path, draft.section.window or (f"{DEFAULT_ROWS} rows",))
    if draft.kind != "metric":
        ctx.fault(path, f"compare: metrics are compared, not what a {draft.kind} monitor finds", key=True)
    elif not all(w.calendar or (w.span and not w.since) for w in windows):
        ctx.fault(path, "compare: segments are compared over one time: 'window' needs a span or a calendar", key=True)
    return CompareSpec(said.by, said.base, said.level)


def _check_decay(ctx: Context, path: Path, draft: _Draft) -> None:
    for spec, cls in draft.loaded:
        if not (issubclass(cls, Metric) and cls.additive):
            ctx.fault(path, f"half_life: {spec.use} cannot decay: its state does not say how much a row counts")


def _check_changes(
    ctx: Context,
    name: str,
    windows: Sequence[WindowSpec],
    drafts: Mapping[str, _Draft | None],
    pools: Mapping[str, str],
) -> None:
    """Windows that begin at a change: the monitor that finds it closes its ticks first, so it is in the same pool."""
    path: Path = ("monitors", name, "window")
    for source in (window.since for window in windows if window.since):
        if source not in ctx.monitor_names:
            ctx.fault(path, f"since: there is no monitor {source!r}{did_you_mean(source, ctx.monitor_names)}")
            continue
        draft = drafts.get(source)
        if draft is None:
            continue
        own = ctx.document.monitors[name].by if ctx.document.monitors else ()
        if draft.kind != "change":
            ctx.fault(path, f"since: {source!r} detects no changes: it is a {draft.kind} monitor")
        elif pools[source] != pools[name]:
            ctx.fault(path, f"since: {source!r} runs in the pool {pools[source]!r}, {name!r} in {pools[name]!r}")
        elif draft.section.by and draft.section.by != own:
            ctx.fault(path, f"since: {source!r} has segments by {', '.join(draft.section.by)}: {name!r} needs the same")


def _explain(ctx: Context, path: Path, draft: _Draft) -> ExplainSpec | None:
    said = draft.section.explain
    if said is None:
        return None
    if draft.kind not in ROW_SCORERS:
        ctx.fault(path, f"explain: a {draft.kind} monitor flags no rows to explain", key=True)
        return None
    if not ctx.known((*path, "use"), said.use, "explainers", "explainer"):
        return None
    if said.at_most.seconds is None or said.at_most.count != int(said.at_most.count):
        ctx.fault((*path, "at_most"), "at_most: a whole number of explanations per time is expected, as in '5 per 1m'")
        return None
    return ExplainSpec(said.use, int(said.at_most.count), said.at_most.seconds)
