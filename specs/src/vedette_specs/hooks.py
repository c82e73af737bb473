"""Hook specifications. Hooks register components and carry events; no hook is called per row or per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pluggy

from vedette_specs.results import Event
from vedette_specs.schema import Kind

PROJECT = "vedette"
ENTRY_POINTS = "vedette.v1"
ComponentKind = Literal[
    "metric", "drift", "change", "outlier", "adversarial", "explainer", "preprocessor", "sink", "platform"
]
COMPONENT_KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
DETECTOR_KINDS: tuple[ComponentKind, ...] = ("drift", "change", "outlier", "adversarial")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Component:
    """What a plugin registers: an import string, so that listing plugins imports none of their libraries.

    kind: one of COMPONENT_KINDS.  name: what YAML says after `use:`.  target: "package.module:Class".
    summary: one line for `vedette plugins`.  extra: the extra or package that must be installed to load it.
    """

    kind: ComponentKind
    name: str
    target: str
    summary: str = ""
    extra: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in COMPONENT_KINDS:
            raise ValueError(f"component {self.name!r}: kind {self.kind!r} is not one of {', '.join(COMPONENT_KINDS)}")
        if self.target.count(":") != 1:
            raise ValueError(
                f"component {self.name!r}: target {self.target!r} is not of the form 'package.module:Class'"
            )


@dataclass(frozen=True)
class FoundModel:
    """A model that a plugin found by its URI. Nothing of it is loaded before `load` is called.

    load: makes an object with predict_proba(DataFrame) or predict(DataFrame).  version: what its rows are tagged with.
    features: its inputs by name; None where the model does not say.
    """

    load: Callable[[], Any]
    version: str | None = None
    features: Mapping[str, Kind] | None = None


@hookspec
def vedette_register_metrics() -> Iterable[Component]:  # type: ignore[empty-body]
    """Metrics (kind `metric`)."""


@hookspec
def vedette_register_detectors() -> Iterable[Component]:  # type: ignore[empty-body]
    """Detectors (kinds `drift`, `change`, `outlier`, `adversarial`)."""


@hookspec
def vedette_register_explainers() -> Iterable[Component]:  # type: ignore[empty-body]
    """Explainers (kind `explainer`)."""


@hookspec
def vedette_register_preprocessors() -> Iterable[Component]:  # type: ignore[empty-body]
    """Preprocessors (kind `preprocessor`)."""


@hookspec
def vedette_register_sinks() -> Iterable[Component]:  # type: ignore[empty-body]
    """Sinks (kind `sink`)."""


@hookspec
def vedette_register_platforms() -> Iterable[Component]:  # type: ignore[empty-body]
    """Platform bindings (kind `platform`)."""


@hookspec
def vedette_register_commands(cli: Any) -> None:
    """Add commands to the `vedette` command line (`cli` is a typer.Typer)."""


@hookspec(firstresult=True)
def vedette_load_reference(uri: str) -> Any:
    """Load reference rows from a URI that this plugin knows; None for all others."""


@hookspec(firstresult=True)
def vedette_load_model(uri: str) -> FoundModel | None:
    """Find a model by a URI that this plugin knows; None for all others."""


@hookspec
def vedette_result(event: Event) -> None:
    """A window's result was published."""


@hookspec
def vedette_alert(event: Event) -> None:
    """An alert changed its state."""


@hookspec
def vedette_explanation(event: Event) -> None:
    """An explanation was made by a monitor's explain job."""


@hookspec
def vedette_component_failed(event: Event) -> None:
    """A component raised while serving and was quarantined."""


EVENT_HOOKS: Mapping[str, str] = {
    "result": "vedette_result",
    "alert": "vedette_alert",
    "explanation": "vedette_explanation",
    "component_failed": "vedette_component_failed",
}
