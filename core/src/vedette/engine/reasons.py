"""Why a result is not known, as its details say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def reasons_of(details: Mapping[str, Any]) -> list[str]:
    """The reasons of a result's components, each once, as in "no reference"."""
    found = [str(part["reason"]) for part in details.values() if isinstance(part, Mapping) and part.get("reason")]
    return list(dict.fromkeys(found))
