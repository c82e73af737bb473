"""One reading of times, whether they stand in logged rows, in files of labels, in a request or on a command line."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vedette.cli.label_columns import converted
from vedette.engine.run.logged import _times
from vedette.engine.run.times import column_seconds, seconds_of, text_seconds

SAME = [
    ("1700000000", 1_700_000_000.0),
    ("1700000000.123456", 1_700_000_000.123456),
    ("20260101", 20_260_101.0),
    ("2023-11-14T22:13:20Z", 1_700_000_000.0),
    ("2023-11-14 22:13:20.123456", 1_700_000_000.123456),
    ("2023-11-15T00:13:20+02:00", 1_700_000_000.0),
    ("2023-11-14", 1_699_920_000.0),
]


def wrong(column: str, position: int, value: Any, allowed: str) -> Exception:
    return ValueError(f"{column} {position} {value!r}")


def test_all_readers_agree() -> None:
    texts, seconds = [text for text, _ in SAME], [found for _, found in SAME]
    assert column_seconds(texts).tolist() == seconds
    assert [text_seconds(text) for text in texts] == seconds
    assert _times(np.array(texts, dtype=object), len(texts)).tolist() == seconds
    frame = pd.DataFrame({"label": 1.0, "time": texts})
    assert converted(frame, False, wrong)["time"].tolist() == seconds


@pytest.mark.parametrize("text", ["noon", "", "nan", "inf", "2023-13-01"])
def test_what_is_no_time(text: str) -> None:
    assert math.isnan(text_seconds(text))
    assert not np.isfinite(column_seconds([text, "2023-11-14"])[0])


def test_columns_of_datetimes_and_of_missing_values() -> None:
    times = pd.Series(pd.to_datetime(["2023-11-14T22:13:20.5Z", None], utc=True))
    assert column_seconds(times).tolist() == pytest.approx([1_700_000_000.5, math.nan], nan_ok=True)
    assert column_seconds(times.dt.tz_localize(None)).tolist()[0] == 1_700_000_000.5
    assert np.isnan(column_seconds([None, None])).all()
    assert column_seconds(pd.Series([], dtype=object)).tolist() == []


AT = 1_700_042_400.0  # 2023-11-15T10:00:00Z


@pytest.mark.parametrize(
    "time",
    [
        [AT, AT], AT, int(AT), "2023-11-15T10:00:00Z", ["2023-11-15T11:00:00+01:00", "2023-11-15T10:00:00"],
        pd.to_datetime(["2023-11-15T10:00:00Z"] * 2), pd.to_datetime(["2023-11-15T12:00:00+02:00"] * 2),
        pd.Series(pd.to_datetime(["2023-11-15T10:00:00"] * 2)), np.array(["2023-11-15T10:00:00"] * 2, "datetime64[s]"),
        np.array(["2023-11-15T10:00:00"] * 2, "datetime64[ns]"), datetime(2023, 11, 15, 10, tzinfo=UTC),
        [datetime(2023, 11, 15, 10), np.datetime64("2023-11-15T10:00:00")],
    ],
    ids=str,
)  # fmt: skip
def test_times_of_any_form_are_seconds(time: Any) -> None:
    assert seconds_of(time, 2).tolist() == [AT, AT]
