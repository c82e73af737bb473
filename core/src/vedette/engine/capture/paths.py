"""Capture paths: `body.rows`, `response.score`, `header.x-region`, `args.0`, `kwargs.x`, `inputs.region`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vedette.engine.capture.call import Undecodable, show

ROOTS = ("body", "response", "header", "args", "kwargs", "inputs")
_MISSING = object()


def follow(value: Any, path: str, steps: str) -> Any:
    """What `steps` ("a.0.b") lead to. A list that meets a name gives that name of each of its items."""
    while steps:
        if isinstance(value, Mapping) and steps in value:  # a key that holds dots
            return value[steps]
        step, _, steps = steps.partition(".")
        value = _step(value, path, step)
    return value


def present(read: Callable[[], Any]) -> Any:
    """What `read` gives; None where the path leads nowhere."""
    try:
        return read()
    except Undecodable:
        return None


def _step(value: Any, path: str, step: str) -> Any:
    if isinstance(value, Mapping):
        if step in value:
            return value[step]
        raise Undecodable(path, step, f"a key of the call: {show(list(value))}")
    if isinstance(value, list | tuple):
        if step.lstrip("-").isdigit():
            return _item(value, path, int(step))
        return [item.get(step) if isinstance(item, Mapping) else None for item in value]
    columns = getattr(value, "columns", None)
    if columns is not None and step in columns:
        return value[step].to_numpy()
    raise Undecodable(path, value, f"a mapping or list that holds {step!r}")


def _item(value: list[Any] | tuple[Any, ...], path: str, index: int) -> Any:
    if -len(value) <= index < len(value):
        return value[index]
    raise Undecodable(path, index, f"a position below {len(value)}")
