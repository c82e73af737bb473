"""Event times as people give them, in seconds since the epoch."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vedette_specs import Floats

LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
IN_TABLES = "seconds since the epoch or ISO 8601, from 1970 to 2200"
ALLOWED = "seconds since the epoch, ISO 8601, datetime or datetime64, from 1970 to 2200"


def seconds_of(values: Any, n: int) -> Floats:
    """(n,) seconds of one time, or of (n,); times without a zone are UTC.

    ValueError, with the row and the value, for what is none, and for milliseconds.
    """
    array = np.asarray(values)
    if array.dtype.kind == "M":
        found = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6)
    elif array.dtype.kind in "iuf":
        found = array.astype(np.float64)
    else:
        found = np.array([_one(item) for item in array.reshape(-1).tolist()], dtype=np.float64).reshape(array.shape)
    if found.ndim > 1 or (found.ndim == 1 and len(found) != n):
        raise ValueError(f"time: values of shape {found.shape} for {n} rows")
    wrong = np.flatnonzero(~((found >= 0.0) & (found < LATEST)))
    if len(wrong):
        given = array if found.ndim == 0 else array[wrong[0]]
        hint = "; are these milliseconds?" if LATEST <= np.ravel(found)[wrong[0]] < np.inf else ""
        raise ValueError(f"time: row {wrong[0]} is {str(given)[:60]!r}{hint}; allowed: {ALLOWED}")
    return np.broadcast_to(found, (n,)).copy()


def iso_seconds(text: str) -> float:
    """Seconds of ISO 8601, UTC where it names no zone; NaN where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def text_seconds(text: str) -> float:
    """Seconds of a number or of ISO 8601; NaN where it is neither, and where it is no finite one."""
    try:
        found = float(text)
    except ValueError:
        found = iso_seconds(text)
    return found if math.isfinite(found) else math.nan


def column_seconds(values: Any) -> Floats:
    """(n,) seconds of numbers, or texts that are numbers or ISO 8601, or datetimes; NaN for what is missing or no time.

    A text that is a number is one, also where other rows have ISO 8601: 20260101 is a time of 1970, in any company.
    """
    import pandas as pd

    said = pd.Series(values)
    if pd.api.types.is_datetime64_any_dtype(said):
        return _parsed(said)
    found = np.array(pd.to_numeric(said, errors="coerce"), dtype=np.float64)
    texts = np.isnan(found) & said.notna().to_numpy()
    if texts.any():
        found[texts] = _parsed(said[texts].astype("object"))
    return found


def _parsed(values: Any) -> Floats:
    import pandas as pd

    parsed = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce")
    seconds = parsed.astype("datetime64[us, UTC]").astype("int64").to_numpy() / 1e6
    return np.where(parsed.isna().to_numpy(), np.nan, seconds)


def _one(value: Any) -> float:
    if isinstance(value, str):
        return iso_seconds(value)
    if isinstance(value, datetime):  # pandas' Timestamp too
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, np.datetime64):
        return float(seconds_of(value, 1)[0])
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
