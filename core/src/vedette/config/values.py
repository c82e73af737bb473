"""Durations (`10m`), row counts (`1000 rows`), sizes (`64 MiB`) and rates (`5 per 1m`, `1 per 100000 rows`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
MAX_SECONDS = 100 * 365.25 * 86400
MAX_ROWS = 10**12

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
PART = rf"({NUMBER})(ms|[smhdw])"
DURATION_PATTERN = rf"^(?:{NUMBER}(?:ms|[smhdw]))+$"
ROWS_PATTERN = r"^[0-9]+ +rows?$"
_SIZE = re.compile(rf"({NUMBER}) *({'|'.join(SIZES)})")


@dataclass(frozen=True)
class Rate:
    """`count` things per `seconds`, or per `rows`; exactly one of the two is set."""

    count: float
    seconds: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Hold:
    """How long a rule must hold before it fires: evaluations, or seconds of event time (then count is 1)."""

    count: int = 1
    seconds: float = 0.0


def parse_duration(text: Any) -> float:
    """Seconds, to the millisecond: `500ms`, `10m`, `1h30m`, `7d`."""
    if not isinstance(text, str) or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration; write a number and a unit ({', '.join(UNITS)}), as in '10m'")
    seconds = round(sum(float(number) * UNITS[unit] for number, unit in re.findall(PART, text)), 3)
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r} is not between 1ms and 100 years")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back: 5400 -> `90m`."""
    millis = round(seconds * 1000)
    for unit in ("w", "d", "h", "m", "s"):
        size = round(UNITS[unit] * 1000)
        if millis and millis % size == 0:
            return f"{millis // size}{unit}"
    return f"{millis}ms"


def parse_rows(text: Any) -> int:
    """`1000 rows`; a bare number where only rows can be meant is the caller's to allow."""
    if not isinstance(text, str) or not re.fullmatch(ROWS_PATTERN, text):
        raise ValueError(f"{text!r} is not a number of rows; write '1000 rows'")
    return _bounded_rows(int(text.split()[0]), text)


def parse_row_count(value: Any) -> int:
    """`1000 rows` or 1000."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded_rows(value, value)
    return parse_rows(value)


def parse_size(text: Any) -> int:
    """Bytes: `64 MiB`."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a size; write a number and a unit ({', '.join(SIZES)}), as in '64 MiB'")
    return int(float(match[1]) * SIZES[match[2]])


def parse_buffer(text: Any) -> tuple[int | None, int | None]:
    """(rows, None) or (None, bytes): `100000 rows` or `64 MiB`."""
    if isinstance(text, str) and _SIZE.fullmatch(text):
        return None, parse_size(text)
    try:
        return parse_rows(text), None
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a number of rows ('100000 rows') nor a size ('64 MiB')") from error


def parse_rate(text: Any) -> Rate:
    """`5 per 1m` or `1 per 100000 rows`."""
    match = re.fullmatch(rf"({NUMBER}) +per +(.+)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write '5 per 1m' or '1 per 100000 rows'")
    count = float(match[1])
    if "row" in match[2]:
        return Rate(count, rows=parse_rows(match[2]))
    return Rate(count, seconds=parse_duration(match[2]))


def parse_hold(value: Any) -> Hold:
    """`3` evaluations, or `10m` of event time."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return Hold(value)
    if isinstance(value, str):
        return Hold(seconds=parse_duration(value))
    raise ValueError(f"{value!r} is neither a number of evaluations (3) nor a duration ('10m')")


def _bounded_rows(count: int, shown: Any) -> int:
    if not 1 <= count <= MAX_ROWS:
        raise ValueError(f"{shown!r} is not between 1 and {MAX_ROWS} rows")
    return count
