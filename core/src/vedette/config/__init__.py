"""The configuration: from YAML to a plan, with every fault at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette.config.expanding import expand_plan
    from vedette.config.faults import ConfigError, Fault
    from vedette.config.loading import from_source, load, load_all, load_text
    from vedette.config.reference import load_reference

_LAZY = {
    "ConfigError": "faults",
    "Fault": "faults",
    "expand_plan": "expanding",
    "load": "loading",
    "load_all": "loading",
    "load_reference": "reference",
    "from_source": "loading",
    "load_text": "loading",
}

__all__ = [
    "ConfigError",
    "Fault",
    "expand_plan",
    "from_source",
    "load",
    "load_all",
    "load_reference",
    "load_text",
]


def __getattr__(name: str) -> Any:
    """Import on use: reading the plan's types must not cost pydantic."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
