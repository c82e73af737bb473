"""Loading plugins from entry points, each on its own: a broken one is recorded and breaks nothing else.

pluggy's own loader stops at the first plugin that raises and skips a second one of the same name in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from vedette.plugins.calls import HookCalls
from vedette.plugins.errors import HookError
from vedette.plugins.hooks import check_plugin, new_manager
from vedette.plugins.registry import Registered, Registry, family
from vedette_specs import Component
from vedette_specs.hooks import DETECTOR_KINDS, ENTRY_POINTS, ComponentKind

REGISTERING: Mapping[str, tuple[ComponentKind, ...]] = {
    "vedette_register_metrics": ("metric",),
    "vedette_register_detectors": DETECTOR_KINDS,
    "vedette_register_explainers": ("explainer",),
    "vedette_register_preprocessors": ("preprocessor",),
    "vedette_register_sinks": ("sink",),
    "vedette_register_platforms": ("platform",),
}


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from: an entry point, or an object in hand."""

    name: str
    distribution: str | None = None
    version: str | None = None
    entry_point: EntryPoint | None = None
    plugin: object = None

    def load(self) -> object:
        return self.entry_point.load() if self.entry_point is not None else self.plugin


@cache
def get_registry() -> Registry:
    """The registry of this process, loaded once."""
    return load_registry()


def load_registry(points: Iterable[EntryPoint] | None = None, plugins: Mapping[str, object] | None = None) -> Registry:
    """Load the entry points of group `vedette.v1` (or `points`), and `plugins` given as name -> module or object."""
    sources = _sources(entry_points(group=ENTRY_POINTS) if points is None else points)
    sources += [Source(name, plugin=plugin) for name, plugin in (plugins or {}).items()]
    manager = new_manager()
    calls = HookCalls(manager, {source.name: (source.distribution, source.version) for source in sources})
    loaded = {source.name: source for source in sources if _load(source, manager, calls)}
    return Registry(_name_apart(_collect(loaded, calls)), calls)


def _sources(points: Iterable[EntryPoint]) -> list[Source]:
    """Plugins are called by their entry point; where several packages chose one name, by their distribution."""
    found = list(points)
    taken = Counter(point.name for point in found)
    sources = []
    for point in found:
        distribution = point.dist.name if point.dist is not None else None
        version = point.dist.version if point.dist is not None else None
        name = distribution if distribution and taken[point.name] > 1 else point.name
        sources.append(Source(name, distribution, version, point))
    return sources


def _load(source: Source, manager: pluggy.PluginManager, calls: HookCalls) -> bool:
    try:
        if manager.has_plugin(source.name):
            raise HookError(f"a second plugin is called {source.name!r}; rename its entry point")
        plugin = source.load()
        check_plugin(plugin)
        _register(plugin, source.name, manager)
    except Exception as error:  # a stranger's code: recorded, and the next plugin is loaded
        calls.fail(source.name, error, "load")
        return False
    return True


def _register(plugin: Any, name: str, manager: pluggy.PluginManager) -> None:
    try:
        manager.register(plugin, name=name)
    except Exception:
        # pluggy leaves the hooks in place that it had added before the faulty one
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise


def _collect(sources: Mapping[str, Source], calls: HookCalls) -> list[Registered]:
    seen: dict[tuple[str, str, str], Registered] = {}
    for hook, kinds in REGISTERING.items():
        for name, answer in calls.each(hook):
            source = sources[name]
            try:
                for component in answer or ():
                    registered = _checked(component, kinds, source)
                    key = (source.name, family(registered.kind), registered.name)
                    if key in seen:
                        raise HookError(f"{registered.kind} {registered.name!r} is registered twice")
                    seen[key] = registered
            except Exception as error:  # a generator of a stranger, or a component of the wrong kind
                calls.fail(name, error, hook)
    return list(seen.values())


def _checked(component: Any, kinds: tuple[ComponentKind, ...], source: Source) -> Registered:
    if not isinstance(component, Component):
        raise HookError(f"{component!r} is not a Component(kind, name, target, ...)")
    if component.kind not in kinds:
        raise HookError(f"{component.name!r} has kind {component.kind!r}; this hook takes {', '.join(kinds)}")
    if not component.name or "/" in component.name:
        raise HookError(f"{component.name!r} is not a name: it is not empty and has no slash")
    return Registered(component, source.name, source.distribution, source.version)


def _name_apart(components: list[Registered]) -> list[Registered]:
    taken = Counter((family(r.kind), r.name) for r in components)
    return [replace(r, full_name=r.name if taken[family(r.kind), r.name] == 1 else r.qualified) for r in components]
