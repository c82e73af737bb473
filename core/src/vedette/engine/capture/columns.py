"""Values as the columns of a batch, by the schema's kinds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vedette.engine.capture.call import Undecodable
from vedette_specs.columns import Column, Floats, category, text
from vedette_specs.schema import Kind

_ALLOWED: dict[Kind, str] = {
    "numeric": "numbers, or strings that are numbers",
    "category": "strings, numbers or booleans",
    "text": "strings",
    "embedding": "lists of numbers, all of one length",
    "image": "nested lists of numbers, all of one shape",
}


def read_column(name: str, kind: Kind, values: Any) -> Column:
    """Column of `kind`; None and NaN are missing. Undecodable names the column and its first wrong value."""
    try:
        if kind == "numeric":
            return _numeric(values)
        if kind == "category":
            return category(_scalars(values))
        if kind == "text":
            return text(_scalars(values))
        return Column(kind, _tensor(values))
    except (TypeError, ValueError, OverflowError) as error:
        raise Undecodable(name, _culprit(kind, values), f"{_ALLOWED[kind]} ({kind})") from error


def missing_column(kind: Kind, rows: int) -> Column:
    """A column with no value at all."""
    if kind == "numeric":
        return Column(kind, np.full(rows, np.nan))
    if kind == "category":
        return Column(kind, np.full(rows, -1, dtype=np.int32))
    if kind == "text":
        return Column(kind, np.full(rows, None, dtype=object))
    return Column(kind, np.full((rows, 0), np.nan))


def read_time(value: Any, field: str) -> float:
    """Seconds since the epoch of an ISO 8601 string (UTC where it names no zone), a datetime or an epoch number.

    Numbers above 1e11, 1e14 and 1e17 are milliseconds, microseconds and nanoseconds.
    """
    moment = value
    try:
        if isinstance(value, str):
            moment = float(value) if _is_number(value) else datetime.fromisoformat(value)
        if isinstance(moment, datetime):
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if isinstance(moment, np.datetime64):
            return float(moment.astype("datetime64[us]").astype(np.int64)) / 1e6
        seconds = float(moment)
    except (TypeError, ValueError, OverflowError) as error:
        raise Undecodable(field, value, "ISO 8601 or seconds since the epoch") from error
    for limit, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if seconds > limit:
            seconds /= unit
            break
    if isinstance(value, bool) or not math.isfinite(seconds) or abs(seconds) > 1e11:
        raise Undecodable(field, value, "ISO 8601 or seconds since the epoch")
    return seconds


def _numeric(values: Any) -> Column:
    if isinstance(values, np.ndarray) and values.dtype.kind not in "biufOSU":
        raise TypeError(f"an array of {values.dtype} holds no numbers")
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError("a value is a list")
    return Column("numeric", array)


def _scalars(values: Any) -> list[Any]:
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    for item in items:
        if isinstance(item, list | dict | tuple | np.ndarray):
            raise TypeError("a value is a list or mapping")
    return [None if item is None or item != item else item for item in items]


def _tensor(values: Any) -> Floats:
    """(n, ...) floats; a row that is None becomes a row of NaN."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        array = values.astype(np.float64)
    else:
        rows = list(values)
        known = next((np.shape(row) for row in rows if row is not None), (0,))
        array = np.array([np.full(known, np.nan) if row is None else row for row in rows], dtype=np.float64)
    if array.ndim < 2:
        raise ValueError("a value is a single number")
    return array


def _culprit(kind: Kind, values: Iterable[Any]) -> Any:
    """The first value that does not fit; all of them where each fits alone."""
    for value in values:
        try:
            if kind == "numeric":
                _numeric([value])
            elif kind in ("category", "text"):
                category(_scalars([value]))
            else:
                _tensor([value])
        except (TypeError, ValueError, OverflowError):
            return value
    return values


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def as_list(value: Any) -> list[Any] | None:
    """A list of scalars out of a list, tuple, array or series; None for anything else."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim:
        return value.reshape(len(value), -1)[:, 0].tolist() if value.size == len(value) else None
    return None


def per_row(value: Any, rows: int, field: str) -> list[Any]:
    """One value a row: a list of as many, or one value for all of them."""
    listed = as_list(value)
    if listed is None:
        return [value] * rows
    if len(listed) != rows:
        raise Undecodable(field, f"{len(listed)} values", f"one value, or one for each of the {rows} rows")
    return listed


def texts(values: Sequence[Any], field: str) -> list[Any]:
    """Values fit for a category column."""
    try:
        return _scalars(list(values))
    except (TypeError, ValueError) as error:
        raise Undecodable(field, list(values), "strings, numbers or booleans") from error
