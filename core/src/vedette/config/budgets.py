"""Budgets of false alarms: `1 per 30d`, `1 per 500 windows`, `1 per 100000 rows`, as an average run length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vedette.config.plan import DEFAULT_TICK, WindowSpec
from vedette.config.values import MAX_ROWS, NUMBER, UNITS, parse_duration, parse_rows

FEWEST = 10.0  # evaluations between false alarms
MOST = 1e9
PERIODS = {
    name: days * UNITS["d"] for name, days in (("day", 1), ("week", 7), ("month", 28), ("quarter", 90), ("year", 365))
}
EXAMPLES = "'1 per 30d', '1 per 500 windows' or '1 per 100000 rows'"
PATTERN = rf"^{NUMBER} +per +.+$"


@dataclass(frozen=True)
class Budget:
    """`count` false alarms per `seconds`, per `windows` or per `rows`; exactly one of the three is set."""

    count: float
    seconds: float | None = None
    windows: int | None = None
    rows: int | None = None

    def run_length(self, windows: Sequence[WindowSpec]) -> float:
        """Evaluations between false alarms on average, for windows that do not overlap.

        windows: those that one evaluation stands on; none for the ticks of a detector. ValueError says what is wrong.
        """
        length = self._units() / self._step(windows) / self.count
        if not FEWEST <= length <= MOST:
            few = f"{length:.3g} windows between false alarms"
            raise ValueError(f"that is {few}; between {FEWEST:g} and {MOST:.0e} are allowed")
        return length

    def _units(self) -> float:
        return float(self.windows or self.rows or self.seconds or 0.0)

    def _step(self, windows: Sequence[WindowSpec]) -> float:
        """From one window to the next that does not overlap it, in the budget's unit."""
        if growing := [window.name for window in windows if window.lifetime or window.since]:
            raise ValueError(f"the windows of {growing[0]!r} all overlap; allowed: windows by time or by rows")
        if self.windows is not None:
            return 1.0
        if self.rows is not None:
            if not windows or any(window.rows is None for window in windows):
                raise ValueError("windows by time need 'per 30d' or 'per 500 windows'")
            return float(max(window.rows or 1 for window in windows))
        if any(window.rows is not None for window in windows):
            raise ValueError("windows by rows need 'per 500 windows' or 'per 100000 rows'")
        return max((_seconds(window) for window in windows), default=DEFAULT_TICK)


def _seconds(window: WindowSpec) -> float:
    """How long a window is at least."""
    return max(PERIODS[window.calendar] if window.calendar else window.reach, window.every)


def parse_budget(text: Any) -> Budget:
    """`1 per 30d`, `1 per 500 windows` or `1 per 100000 rows`."""
    match = re.fullmatch(rf"({NUMBER}) +per +(.+)", text) if isinstance(text, str) else None
    if match is None or float(match[1]) == 0.0:
        raise ValueError(f"{text!r} is no budget of false alarms; write {EXAMPLES}")
    count, unit = float(match[1]), match[2]
    if windows := re.fullmatch(r"([0-9]+) +windows?", unit):
        number = int(windows[1])
        if not 1 <= number <= MAX_ROWS:
            raise ValueError(f"{text!r} is not between 1 and {MAX_ROWS} windows")
        return Budget(count, windows=number)
    try:
        return Budget(count, rows=parse_rows(unit)) if "row" in unit else Budget(count, seconds=parse_duration(unit))
    except ValueError as error:
        raise ValueError(f"{error}; a budget is written {EXAMPLES}") from error


DEFAULT = Budget(1.0, windows=500)
