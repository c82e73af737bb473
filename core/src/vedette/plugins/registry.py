"""What is registered: find by name, load by import string, make with validated options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.plugins.calls import HookCalls, PluginFailure
from vedette.plugins.errors import BrokenComponent, UnknownComponent, did_you_mean
from vedette.plugins.importing import import_component
from vedette.plugins.options import Option, build, options_of, validate_options
from vedette_specs import Component, Event
from vedette_specs.hooks import COMPONENT_KINDS, DETECTOR_KINDS, ComponentKind, FoundModel

UNMADE_KINDS: tuple[ComponentKind, ...] = ("platform",)  # what is found by name, but not made with options
SHOWN = 20  # names that an error lists where it knows which one was meant


@dataclass(frozen=True)
class Registered:
    """A component and the plugin that brought it. full_name: `ks` where unique, else `acme/ks`."""

    component: Component
    plugin: str
    distribution: str | None = None
    version: str | None = None
    full_name: str = ""

    @property
    def name(self) -> str:
        return self.component.name

    @property
    def kind(self) -> ComponentKind:
        return self.component.kind

    @property
    def qualified(self) -> str:
        return f"{self.plugin}/{self.name}"


def family(kind: ComponentKind) -> str:
    """Kinds that share one namespace: in YAML, `detect:` takes any kind of detector."""
    return "detector" if kind in DETECTOR_KINDS else kind


class Registry:
    """All components that the installed plugins offer, and what went wrong while asking them."""

    def __init__(self, components: Iterable[Registered], hook: HookCalls) -> None:
        self.components = tuple(sorted(components, key=lambda r: (COMPONENT_KINDS.index(r.kind), r.name, r.plugin)))
        self.hook = hook

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        return self.hook.failures

    def of_kinds(self, kinds: Sequence[ComponentKind] | None = None) -> list[Registered]:
        return [r for r in self.components if kinds is None or r.kind in kinds]

    def find(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> Registered:
        """The component called `name` or `plugin/name`; UnknownComponent says what there is of these kinds."""
        among = self.of_kinds(kinds)
        found = [r for r in among if name in (r.name, r.qualified)]
        if len(found) == 1:
            return found[0]
        what = " or ".join(kinds) if kinds else "component"
        if found:
            choices = ", ".join(f"{r.qualified} ({r.kind})" for r in found)
            raise UnknownComponent(f"{name!r} is ambiguous: {choices}; write the name with its plugin")
        names = sorted({r.full_name for r in among if kinds or r.kind not in UNMADE_KINDS})
        elsewhere = [r.kind for r in self.components if name in (r.name, r.qualified)]
        hint = f"; there is a {elsewhere[0]} of this name" if elsewhere else did_you_mean(name, names)
        many = "did you mean" in hint and len(names) > SHOWN
        listed = "'vedette plugins' lists all" if many else f"there is: {', '.join(names) or 'none'}"
        raise UnknownComponent(f"there is no {what} {name!r}{hint}; {listed}")

    def load(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> type:
        """The class; MissingExtra or BrokenComponent where it cannot be imported."""
        registered = self.find(name, kinds)
        return import_component(registered.component, registered.distribution)

    def make(self, name: str, /, kinds: Sequence[ComponentKind] | None = None, **options: Any) -> Any:
        """A component with these options; OptionError names option, value and what is allowed."""
        return self.build(name, options, kinds)

    def build(self, name: str, options: Mapping[str, Any], kinds: Sequence[ComponentKind] | None = None) -> Any:
        """`make` for options in a mapping, which may be called `kinds` too."""
        kind = self.find(name, kinds).kind
        if kind in UNMADE_KINDS:
            raise BrokenComponent(f"{name!r} is a {kind}: it is not made with options")
        return build(self.load(name, kinds), options, name)

    def options(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> dict[str, Option]:
        """The options of a component by name: type, default, JSON Schema."""
        return {option.name: option for option in options_of(self.load(name, kinds))}

    def validate(
        self, name: str, options: Mapping[str, Any], kinds: Sequence[ComponentKind] | None = None
    ) -> dict[str, Any]:
        """`options` converted to their types; OptionError.faults has every fault."""
        return validate_options(self.load(name, kinds), options, name)

    def emit(self, event: Event) -> None:
        """Give an event to every plugin that listens; what raises is recorded in `failures`."""
        self.hook.emit(event)

    def load_reference(self, uri: str) -> Any:
        """Reference rows from a plugin that knows `uri`; None where none does."""
        return self.hook.load_reference(uri)

    def load_model(self, uri: str) -> FoundModel | None:
        """The model under `uri`, from a plugin that knows it; None where none does."""
        return self.hook.load_model(uri)
