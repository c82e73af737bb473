"""Components that each break one promise, by the check that must notice."""

from __future__ import annotations

from typing import Any

from vedette_specs import BaseComponent

BROKEN: dict[str, BaseComponent] = {}  # check -> a component that fails it


def breaks(check: str, **options: Any) -> Any:
    def enter(cls: type[BaseComponent]) -> type[BaseComponent]:
        BROKEN[check] = cls(**options)
        return cls

    return enter
