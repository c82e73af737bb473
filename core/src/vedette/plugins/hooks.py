"""The hook specifications as a pluggy manager, and what a plugin must satisfy before it is registered with it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import pluggy

from vedette.plugins.errors import HookError
from vedette_specs import hooks as specs

PREFIX = f"{specs.PROJECT}_"


def new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    return manager


def hook_names() -> list[str]:
    return sorted(name for name, item in vars(specs).items() if name.startswith(PREFIX) and inspect.isfunction(item))


def check_plugin(plugin: object) -> None:
    """Raise HookError where a hook is misspelt, unmarked or a wrapper: pluggy would pass over it in silence."""
    known = hook_names()
    for name, function in _callables(plugin):
        marker = getattr(function, f"{specs.PROJECT}_impl", None)
        if marker is None and name.startswith(PREFIX):
            if name in known:
                raise HookError(f"{name} is not marked with @hookimpl, so it would never be called")
            raise HookError(_no_hook(name, known))
        if marker is None:
            continue
        target = marker.get("specname") or name
        if target not in known:
            raise HookError(_no_hook(target, known))
        if marker.get("wrapper") or marker.get("hookwrapper"):
            raise HookError(f"{name} is a hook wrapper; Vedette calls each implementation apart, so there are none")


def _no_hook(name: str, known: list[str]) -> str:
    # without the prefix, which would make all names alike
    close = get_close_matches(name.removeprefix(PREFIX), [hook.removeprefix(PREFIX) for hook in known], n=1)
    return f"{name} is not a hook; " + (
        f"did you mean '{PREFIX}{close[0]}'?" if close else f"hooks are {', '.join(known)}"
    )


def _callables(plugin: object) -> Iterator[tuple[str, Any]]:
    for name in dir(plugin):
        item = inspect.getattr_static(plugin, name, None)
        if callable(item) or isinstance(item, staticmethod | classmethod):
            yield name, getattr(plugin, name)
