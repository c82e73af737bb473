"""From an import string to a class: which package is missing, or what is broken, said in one line."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import PackageNotFoundError, metadata, requires
from types import ModuleType
from typing import cast

from vedette.plugins.errors import BrokenComponent, MissingExtra, did_you_mean
from vedette_specs import (
    BaseComponent,
    ChangeDetector,
    Component,
    DriftDetector,
    Explainer,
    Metric,
    OutlierDetector,
    Preprocessor,
    Sink,
)
from vedette_specs.hooks import ComponentKind

BASES: dict[ComponentKind, type] = {
    "metric": Metric,
    "drift": DriftDetector,
    "change": ChangeDetector,
    "outlier": OutlierDetector,
    "adversarial": OutlierDetector,
    "explainer": Explainer,
    "preprocessor": Preprocessor,
    "sink": Sink,
    "platform": object,
}


def import_component(component: Component, distribution: str | None = None) -> type:
    """The class behind `component.target`; MissingExtra or BrokenComponent say why there is none."""
    path, _, attribute = component.target.partition(":")
    module = _import(path, component, distribution)
    cls = getattr(module, attribute, None)
    if cls is None:
        hint = did_you_mean(attribute, [name for name in vars(module) if not name.startswith("_")])
        raise BrokenComponent(f"{component.kind} {component.name!r}: {path} has no {attribute!r}{hint}")
    base = BASES[component.kind]
    if component.kind == "platform":
        return cast("type", cls)  # what a platform offers is its own affair: a class, a function
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise BrokenComponent(f"{component.kind} {component.name!r}: {component.target} is not a {base.__name__}")
    if issubclass(cls, BaseComponent) and (abstract := sorted(getattr(cls, "__abstractmethods__", ()))):
        raise BrokenComponent(f"{component.kind} {component.name!r}: {component.target} does not define {abstract}")
    return cls


def missing_packages(component: Component, distribution: str | None) -> list[str]:
    """Packages of the component's extra that are not installed, by metadata alone: no platform is imported."""
    if component.extra is None or distribution is None:
        return []
    wanted = [
        line for line in requires(distribution) or [] if re.search(rf"extra == ['\"]{component.extra}['\"]", line)
    ]
    names = [re.split(r"[\s\[;<>=!~(]", line, maxsplit=1)[0] for line in wanted]
    return [name for name in names if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        metadata(name)
    except PackageNotFoundError:
        return False
    return True


def _import(path: str, component: Component, distribution: str | None) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and not f"{path}.".startswith(f"{missing}."):
            raise MissingExtra(
                f"{component.kind} {component.name!r} needs the package {missing!r}: "
                f"pip install {_requirement(component, missing, distribution)}"
            ) from error
        raise BrokenComponent(f"{component.kind} {component.name!r}: there is no module {missing or path!r}") from error
    except Exception as error:  # a stranger's module: whatever it raises at import is named
        raise BrokenComponent(
            f"{component.kind} {component.name!r}: importing {path} raised {type(error).__name__}: {error}"
        ) from error


def _requirement(component: Component, missing: str, distribution: str | None) -> str:
    """'vedette[rayserve]' where `extra` is an extra of the plugin's distribution, else the package's name."""
    if component.extra is None:
        return missing.split(".")[0]
    try:
        extras = metadata(distribution).get_all("Provides-Extra") or [] if distribution else []
    except PackageNotFoundError:
        extras = []
    return f"'{distribution}[{component.extra}]'" if component.extra in extras else component.extra
