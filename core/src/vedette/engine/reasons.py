"""Why a result, or one of its values, is not known, as its details say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INSUFFICIENT = "insufficient"  # in details: names of values that are not to be relied on, where others are
TOLD = 4  # names that a person is shown


def unreliable(details: Mapping[str, Any]) -> frozenset[str]:
    """Values that no rule may act on, in a result that is ok on the whole."""
    return frozenset(_names(details))


def reasons_of(details: Mapping[str, Any]) -> list[str]:
    """The reasons of a result's components, each once, as in "no reference"; before them the values concerned."""
    found = [str(part["reason"]) for part in details.values() if isinstance(part, Mapping) and part.get("reason")]
    if names := _names(details):
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        found.insert(0, f"insufficient: {', '.join(names[:TOLD])}{more}")
    return list(dict.fromkeys(found))


def _names(details: Mapping[str, Any]) -> list[str]:
    """A detector's details, which are its own, may have something else under this name."""
    found = details.get(INSUFFICIENT)
    return [name for name in found if isinstance(name, str)] if isinstance(found, list | tuple) else []
