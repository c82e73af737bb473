"""Which runs of ticks the windows by time are: where those end that hold a tick, and where each of them begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from vedette.config.plan import HALF_LIVES, WindowSpec

MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Extent(Protocol):
    """Windows as runs [first, stop) of ticks. longest: ticks, at most that a window reaches back."""

    @property
    def longest(self) -> int: ...

    def ends(self, tick: int, stop: int) -> Sequence[int]:
        """Ascending ends, none beyond `stop`, of the windows that may hold `tick`."""
        ...

    def first(self, end: int) -> int:
        """The first tick of the window that ends with tick `end` - 1."""
        ...


@dataclass(frozen=True)
class Running:
    """`span` and `every`: all of one length."""

    longest: int
    every: int

    def ends(self, tick: int, stop: int) -> Sequence[int]:
        return range(multiple_after(tick, self.every), min(tick + self.longest, stop) + 1, self.every)

    def first(self, end: int) -> int:
        return end - self.longest


@dataclass
class Calendar:
    """Days, weeks, months, quarters or years of a time zone; with `every`, also each of them so far.

    Every tick lies within one of them: zones differ from UTC by whole quarters of an hour.
    """

    period: str
    zone: ZoneInfo
    tick: float  # seconds
    every: int = 0
    _last: tuple[int, int] = field(default=(0, 0))

    @property
    def longest(self) -> int:
        days = {"day": 2, "week": 8}.get(self.period, 0) or 31 * MONTHS[self.period] + 1
        return round(days * 86_400 / self.tick)

    def ends(self, tick: int, stop: int) -> Sequence[int]:
        _, end = self._bounds(tick)
        inner = range(multiple_after(tick, self.every), min(end, stop + 1), self.every) if self.every else ()
        return [*inner, *([end] if end <= stop else [])]

    def first(self, end: int) -> int:
        return self._bounds(end - 1)[0]

    def _bounds(self, tick: int) -> tuple[int, int]:
        start, end = self._last
        if not start <= tick < end:
            begin = _begin(self.period, datetime.fromtimestamp(tick * self.tick, self.zone))
            self._last = round(begin.timestamp() / self.tick), round(_next(self.period, begin).timestamp() / self.tick)
        return self._last


@dataclass(frozen=True)
class SinceChange(Running):
    """From the last alarm of a sequential detector on, at most `longest` ticks.

    alarms: (end) -> ascending ticks below `end` at which an alarm's tick had ended.
    """

    alarms: Callable[[int], Sequence[int]]

    def first(self, end: int) -> int:
        known = self.alarms(end)
        place = bisect_right(known, end - 1)  # an alarm at the very end leaves the window before it whole
        return max([end - self.longest, *known[:place][-1:]])


def extent_of(spec: WindowSpec, tick: float, alarms: Callable[[int], Sequence[int]]) -> Extent:
    """tick: seconds.  alarms: see SinceChange."""
    length, every = _ticks(spec.span or tick, tick), _ticks(spec.every or spec.span or tick, tick)
    if spec.calendar:
        return Calendar(spec.calendar, ZoneInfo(spec.zone), tick, _ticks(spec.every, tick) if spec.every else 0)
    if spec.half_life:
        slots = -(-round(HALF_LIVES * spec.half_life * 1000) // round(spec.every * 1000))
        return Running(slots * every, every)
    return SinceChange(length, every, alarms) if spec.since else Running(length, every)


def _ticks(seconds: float, tick: float) -> int:
    return max(1, round(seconds / tick))


def multiple_after(tick: int, every: int) -> int:
    """The first multiple of `every` above `tick`: where the step that holds it ends."""
    return -(-(tick + 1) // every) * every


def _begin(period: str, time: datetime) -> datetime:
    day = time.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "week":
        return day - timedelta(days=day.weekday())  # wall time: ISO 8601 weeks begin on Monday
    if period in MONTHS:
        return day.replace(day=1, month=day.month - (day.month - 1) % MONTHS[period])
    return day


def _next(period: str, begin: datetime) -> datetime:
    if period in MONTHS:
        months = begin.month - 1 + MONTHS[period]
        return begin.replace(year=begin.year + months // 12, month=months % 12 + 1)
    return begin + timedelta(days=7 if period == "week" else 1)
