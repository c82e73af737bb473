"""Columns of a reference that say which row it is and when it came: no model learns from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.config.columns import is_feature
from vedette_specs import Column

_ID = re.compile(r"(.*_)?(id|uuid|guid)", re.IGNORECASE)
_TIME = re.compile(r"time|date|timestamp|datetime|(.*_)?(at|time|date|timestamp|datetime)", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_EPOCH = (5e8, 5e9)  # seconds, 1985 to 2128
_SAMPLE = 1000


def no_features(columns: Mapping[str, Any]) -> dict[str, str]:
    """Column -> why it is left out of the features: ids, which are never twice the same, and times."""
    found = {}
    for name, values in columns.items():
        if _is_time(name, values):
            found[name] = "left out: a time; rows bring it as `time`"
        elif _is_id(name, values):
            found[name] = "left out: it names each row; rows bring it as `id`"
    return found


def _is_id(name: str, values: Any) -> bool:
    if not _ID.fullmatch(name) or not isinstance(values, Column) or values.kind not in ("category", "text", "numeric"):
        return False
    if values.kind == "numeric":
        return len(np.unique(values.values)) == len(values.values) and bool((values.values % 1 == 0).all())
    texts = values.strings()
    return len(set(texts)) == len(texts)


def _is_time(name: str, values: Any) -> bool:
    """Times of Arrow, texts in ISO 8601, and seconds since the epoch under a name that says so."""
    if not is_feature(values):
        return str(values.type).startswith(("timestamp", "date"))
    if not isinstance(values, Column):
        return False
    if values.kind == "numeric":
        numbers = values.values[np.isfinite(values.values)]
        low, high = _EPOCH
        seconds = numbers / 1000 if len(numbers) and numbers[0] > high else numbers
        return bool(_TIME.fullmatch(name) and len(numbers) and ((seconds > low) & (seconds < high)).all())
    if values.kind not in ("category", "text"):
        return False
    texts = [text for text in values.strings()[:_SAMPLE] if text is not None]
    return bool(texts) and all(_ISO.fullmatch(text) for text in texts)
