"""Durations, rows, sizes, rates: what they mean and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.config import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1s", 1), ("10m", 600), ("1h", 3600), ("7d", 604800), ("2w", 1209600),
     ("1h30m", 5400), ("1.5h", 5400)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["10", 10, "10 m", "m", "-1h", "1y", "1H", "", None, True, "1h 30m", "0s", "9999999w", "1e3s"]
)
def test_no_durations(text: Any) -> None:
    with pytest.raises(ValueError, match=r"duration|between"):
        values.parse_duration(text)


@given(st.integers(1, 10**12))
def test_format_is_the_inverse_of_parse(millis: int) -> None:
    assert round(values.parse_duration(values.format_duration(millis / 1000)) * 1000) == millis


@pytest.mark.parametrize(
    ("seconds", "text"), [(5400, "90m"), (604800, "1w"), (86400, "1d"), (0.25, "250ms"), (61, "61s"), (1.5, "1500ms")]
)
def test_format(seconds: float, text: str) -> None:
    assert values.format_duration(seconds) == text


@pytest.mark.parametrize(("text", "rows"), [("1000 rows", 1000), ("1 row", 1), ("10  rows", 10)])
def test_rows(text: str, rows: int) -> None:
    assert values.parse_rows(text) == rows
    assert values.parse_row_count(text) == rows


@pytest.mark.parametrize("text", ["1000", "rows", "1.5 rows", "0 rows", "-1 rows", 5, None, "10 row s"])
def test_no_rows(text: Any) -> None:
    with pytest.raises(ValueError, match="rows"):
        values.parse_rows(text)


def test_a_bare_number_of_rows_where_only_rows_can_be_meant() -> None:
    assert values.parse_row_count(200) == 200
    for wrong in (0, True, 1.5, "x"):
        with pytest.raises(ValueError, match="rows"):
            values.parse_row_count(wrong)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5 per 1m", values.Rate(5, seconds=60)),
        ("1 per 100000 rows", values.Rate(1, rows=100000)),
        ("0.5 per 1h", values.Rate(0.5, seconds=3600)),
    ],
)
def test_rates(text: str, rate: values.Rate) -> None:
    assert values.parse_rate(text) == rate


@pytest.mark.parametrize("text", ["5", "5 per", "per 1m", "5 per 1", "5 per rows", 5, None, "five per 1m"])
def test_no_rates(text: Any) -> None:
    with pytest.raises(ValueError, match=r"rate|duration|rows"):
        values.parse_rate(text)


@pytest.mark.parametrize(("value", "hold"), [(3, values.Hold(3)), ("10m", values.Hold(1, 600.0))])
def test_holds(value: Any, hold: values.Hold) -> None:
    assert values.parse_hold(value) == hold


@pytest.mark.parametrize("value", [0, -1, True, 1.5, None])
def test_no_holds(value: Any) -> None:
    with pytest.raises(ValueError, match="neither a number of evaluations"):
        values.parse_hold(value)


@pytest.mark.parametrize(
    ("text", "pair"), [("100 rows", (100, None)), ("64 MiB", (None, 64 << 20)), ("2GB", (None, 2 * 10**9))]
)
def test_buffers(text: str, pair: tuple[int | None, int | None]) -> None:
    assert values.parse_buffer(text) == pair
    with pytest.raises(ValueError, match="neither a number of rows"):
        values.parse_buffer("64 mib")
