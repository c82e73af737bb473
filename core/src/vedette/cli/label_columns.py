"""Columns of a labels file as values that feedback takes; the first that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.engine.run.times import IN_TABLES, LATEST, column_seconds

if TYPE_CHECKING:
    import pandas as pd

MAX_ROW = 1_000_000
Tell = Callable[[str, int, Any, str], Exception]  # (column, position, value, what is allowed) -> what to raise


def converted(frame: pd.DataFrame, numeric_labels: bool, wrong: Tell) -> pd.DataFrame:
    """The chunk with numbers for `row` and `time`, and for the labels of a regression."""
    changes: dict[str, Any] = {}
    if numeric_labels:
        changes["label"] = _numbers(frame, "label", "numbers", wrong)
    if "row" in frame:
        allowed = f"whole numbers from 0 to {MAX_ROW:,}"
        rows = _numbers(frame, "row", allowed, wrong)
        _check(frame, "row", (rows < 0) | (rows > MAX_ROW) | (rows % 1 != 0) & rows.notna(), allowed, wrong)
        changes["row"] = rows
    if "time" in frame:
        changes["time"] = _times(frame, wrong)
    return frame.assign(**changes)


def _numbers(frame: pd.DataFrame, name: str, allowed: str, wrong: Tell) -> Any:
    import pandas as pd

    numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
    _check(frame, name, numbers.isna() & frame[name].notna(), allowed, wrong)
    return numbers


def _times(frame: pd.DataFrame, wrong: Tell) -> Any:
    """Seconds since the epoch; an empty cell stays empty."""
    import pandas as pd

    said = frame["time"]
    times = pd.Series(column_seconds(said), index=said.index)
    strange = times.isna() | (times < 0.0) | (times >= LATEST)
    bad = strange & said.notna()
    first = times[bad].iloc[:1]
    hint = "; are these milliseconds?" if ((first >= LATEST) & (first < np.inf)).any() else ""
    _check(frame, "time", bad, IN_TABLES + hint, wrong)
    return times


def _check(frame: pd.DataFrame, name: str, bad: Any, allowed: str, wrong: Tell) -> None:
    positions = np.flatnonzero(bad.to_numpy())
    if len(positions):
        position = int(positions[0])
        raise wrong(name, position, frame[name].iloc[position], allowed)
