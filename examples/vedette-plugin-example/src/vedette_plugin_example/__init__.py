"""Four components and an alert hook, registered with Vedette through its entry point.

This module imports none of them: an import string is enough until a component is used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from vedette_specs import Component, Event, hookimpl
from vedette_specs.hooks import ComponentKind

log = logging.getLogger(__name__)


def _component(kind: ComponentKind, name: str, cls: str, summary: str) -> Component:
    return Component(kind, name, f"{__name__}.{name}:{cls}", summary)


@hookimpl
def vedette_register_metrics() -> Iterable[Component]:
    yield _component("metric", "simpson", "Simpson", "diversity of category columns, from 0 to 1")


@hookimpl
def vedette_register_detectors() -> Iterable[Component]:
    yield _component("drift", "mean_shift", "MeanShift", "Welch's test of the means of numeric columns")


@hookimpl
def vedette_register_explainers() -> Iterable[Component]:
    yield _component("explainer", "ice", "Ice", "how the output follows one feature at a time")


@hookimpl
def vedette_register_sinks() -> Iterable[Component]:
    yield _component("sink", "table", "Table", "rows of an SQLite table")


@hookimpl
def vedette_alert(event: Event) -> None:
    """Events reach a plugin without any configuration."""
    log.info("%s: alert %s is %s", event.model, event.monitor, event.payload.get("state"))
