"""The table that checks enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vedette.testing.lab import Lab
from vedette_specs import BaseComponent


@dataclass(frozen=True)
class Check:
    """A named promise of all components of some base classes. unless: base classes that it says nothing about."""

    name: str
    bases: tuple[type, ...]
    unless: tuple[type, ...]
    run: Callable[[Lab], None]

    def applies_to(self, component: BaseComponent) -> bool:
        return isinstance(component, self.bases) and not isinstance(component, self.unless)


CHECKS: dict[str, Check] = {}


def check(*bases: type, unless: tuple[type, ...] = ()) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Enter the function below as a check of these base classes, under its own name."""

    def enter(function: Callable[[Lab], None]) -> Callable[[Lab], None]:
        name = function.__name__
        CHECKS[name] = Check(name, bases, unless, function)
        return function

    return enter
