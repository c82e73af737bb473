"""Results as MLflow's metrics: one number a name, names that MLflow takes, and no more of them than asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

MAX_NAME = 250  # characters of a metric's or tag's name
_STRANGE = re.compile(r"[^\w .\-/]", re.ASCII)


def clean(name: str, limit: int = MAX_NAME) -> str:
    """`name` in the characters that MLflow takes, at most `limit` of them; `_` stands for each of the others."""
    return _STRANGE.sub("_", name)[:limit]


def metrics_of(result: Mapping[str, Any], columns: int, window: bool = True) -> dict[str, float]:
    """`monitor[/window][/segment]/value[/column]` -> number, of a result's JSON form.

    columns: of a value by column so many are taken, in the order of the schema.  What is not known has no metric.
    """
    parts = [result["monitor"], result.get("window") if window else "", result.get("segment")]
    place = "/".join(_step(part) for part in parts if part)
    found: dict[str, float] = {}
    for name, value in _numbers(result.get("values") or {}, columns):
        found[_free(clean(f"{place}/{name}", MAX_NAME - 8), found)] = value
    if "n" in result:
        found[clean(f"{place}/n")] = float(result["n"])
    return found


def _free(name: str, taken: Mapping[str, float]) -> str:
    """Columns may differ in characters only that MLflow does not take."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _step(part: str) -> str:
    """One level of a name: a window may be called `1000 rows`, a segment `region=north`."""
    return clean(str(part)).replace("/", "_").replace(" ", "_").strip("._") or "_"


def _numbers(values: Mapping[str, Any], columns: int) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            for column, number in islice(value.items(), columns):
                if _known(number):
                    yield f"{_step(name)}/{_step(column)}", float(number)
        elif _known(value):
            yield _step(name), float(value)


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
