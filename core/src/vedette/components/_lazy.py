"""Component classes as attributes of their folder, imported at the first touch (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from vedette.components import built_ins


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a folder of components: `vedette.drift.KS` imports the module of KS only."""
    pairs = [component.target.split(":") for component in built_ins()]
    targets = {name: module for module, name in pairs if module.startswith(f"{package}.")}

    def get(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(targets))}")
        return getattr(importlib.import_module(targets[name]), name)

    def names() -> list[str]:
        return sorted(targets)

    return get, names
