"""Vedette on BentoML: `watch` a service, or give `bentoml.monitor` a VedetteMonitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette_bentoml.monitor import VedetteMonitor
    from vedette_bentoml.watching import watch

_LAZY = {"VedetteMonitor": "monitor", "watch": "watching"}
__all__ = ["VedetteMonitor", "watch"]


def __getattr__(name: str) -> Any:
    """Import on use: listing Vedette's plugins imports this package, and must not import BentoML."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
