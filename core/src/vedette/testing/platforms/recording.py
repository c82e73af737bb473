"""Known rows at known times, on which all platforms, and a replay, must give the same results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from vedette.testing.platforms import model
from vedette.testing.platforms.platform import Row, Stamp

LEAD = 20.0  # seconds until the first row's time, in which all must be sent: rows that come late count elsewhere
REQUESTS, ROWS = 24, 25
STEP = 0.25  # seconds between two requests
SHIFTED = 16  # requests from this one on come from elsewhere: detectors have something to say


class Recording:
    """Requests with ids, times and labels. Nothing of it depends on chance but the time at which it begins."""

    def __init__(self, requests: int = REQUESTS, rows: int = ROWS) -> None:
        self.count = requests
        self.rows = rows
        self.start = 0.0
        self.replayed: dict[Any, dict[str, Any]] | None = None  # results, once they are known

    def begin(self, now: float, lead: float = LEAD) -> None:
        """Set the first row's time: an even second, so that the last window ends with the last row."""
        self.start = math.ceil((now + lead) / 2.0) * 2.0

    @property
    def end(self) -> float:
        """All rows are earlier; no window of theirs ends later."""
        return self.start + math.ceil(self.count * STEP / 2.0) * 2.0

    def requests(self) -> Iterator[tuple[str, list[Row], Stamp]]:
        """(request id, rows, stamp)"""
        for i in range(self.count):
            rows: list[Row] = list(model.make_rows(self.rows, seed=100 + i, shift=1.0 if i >= SHIFTED else 0.0))
            yield f"recorded-{i}", rows, Stamp(self.start + i * STEP, ("north", "south")[i % 2])

    def feedback(self) -> list[dict[str, Any]]:
        """Labels of all rows, each a second after its prediction."""
        return [
            {"id": name, "labels": model.make_labels(rows, seed=200 + i), "time": stamp.time + 1.0}
            for i, (name, rows, stamp) in enumerate(self.requests())
        ]
