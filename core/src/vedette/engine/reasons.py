"""Why a result, or one of its values, is not known, as its details say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INSUFFICIENT = "insufficient"  # in details: names of values that are not to be relied on, where others are
MOST = 4  # of them are told


def unreliable(details: Mapping[str, Any]) -> frozenset[str]:
    """Values that no rule may act on, in a result that is ok on the whole."""
    return frozenset(details.get(INSUFFICIENT, ()))


def reasons_of(details: Mapping[str, Any]) -> list[str]:
    """The reasons of a result's components, each once, as in "no reference"; before them the values concerned."""
    found = [str(part["reason"]) for part in details.values() if isinstance(part, Mapping) and part.get("reason")]
    names = list(details.get(INSUFFICIENT, ()))
    if names:
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        found.insert(0, f"insufficient: {', '.join(names[:MOST])}{more}")
    return list(dict.fromkeys(found))
