"""Vedette: monitor and explain machine-learning models where they serve.

Everything but the contract is imported when it is first touched, so that `import vedette` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vedette_specs import Batch, Schema, hookimpl

if TYPE_CHECKING:
    from vedette import config, plugins, testing
    from vedette.components import change, drift, explain, metrics, outlier, preprocess, sinks
    from vedette.engine.run.session import Session

__all__ = [
    "Batch",
    "Schema",
    "Session",
    "change",
    "config",
    "drift",
    "explain",
    "hookimpl",
    "make",
    "metrics",
    "outlier",
    "plugins",
    "preprocess",
    "sinks",
    "testing",
]

_COMPONENTS = ("change", "drift", "explain", "metrics", "outlier", "preprocess", "sinks")
_MODULES = {name: f"vedette.components.{name}" for name in _COMPONENTS} | {
    name: f"vedette.{name}" for name in ("config", "plugins", "testing")
}


def make(name: str, /, **options: Any) -> Any:
    """A component by its registered name: ``vedette.make("ks", correction="bh")``.

    Raises UnknownComponent, MissingExtra or OptionError, each of which says what would be right.
    """
    from vedette.plugins import get_registry

    return get_registry().build(name, options)


def __getattr__(name: str) -> Any:
    if name == "Session":
        return importlib.import_module("vedette.engine.run.session").Session
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'vedette' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
