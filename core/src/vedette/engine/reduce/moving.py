"""The windows of one series as ticks close: held in memory, read again from the store when they were forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.decaying import DecayingWindow, decayed
from vedette.engine.reduce.evaluate import Evaluator, decode_states
from vedette.engine.reduce.extents import Extent, extent_of, multiple_after
from vedette.engine.reduce.windows import (
    Due,
    SlidingWindow,
    Span,
    TwoStacks,
    ended_lifetime,
    ended_windows,
    join_all,
)
from vedette.store import panes, series
from vedette.store.panes import Pane

Run = tuple[int, int]
Alarms = Callable[[Connection, str, str, int, int], Sequence[int]]


def merged_panes(members: Sequence[Pane], evaluator: Evaluator) -> Span | None:
    return join_all(spans_of(members), evaluator.merge)


def spans_of(members: Sequence[Pane]) -> list[Span]:
    return [Span(p.tick, p.tick + 1, p.rows, decode_states(p.state), p.labelled, p.lag) for p in members]


class MovingWindows:
    """Windows that slide, by segment, and the merger of everything for lifetime windows.

    alarms: (segment, first tick, end) -> ticks at which a change was found, for windows that begin there.
    """

    def __init__(self, series_id: int, tick: float, evaluator: Callable[[str], Evaluator], alarms: Alarms) -> None:
        self.id = series_id
        self.tick = tick
        self._evaluator = evaluator
        self._alarms = alarms
        self._sliding: dict[tuple[str, str], SlidingWindow | DecayingWindow] = {}
        self._lifetimes: dict[tuple[str, str], tuple[Span | None, int]] = {}  # merger of all ticks below the second

    def forget(self) -> None:
        """What is in memory may be wrong: late rows, a correction, or a commit that failed."""
        self._sliding.clear()
        self._lifetimes.clear()

    def due(
        self, connection: Connection, segment: str, window: WindowSpec, spans: list[Span],
        closed: int, upto: int, total: int,
    ) -> Iterator[Due]:  # fmt: skip
        """Windows that end when the ticks of `spans`, all in [closed, upto), close. total: rows closed before."""
        if window.lifetime:
            yield from self._lifetime(connection, segment, window, spans, closed, upto)
        else:
            extent = None if window.rows is not None else self._extent(connection, segment, window)
            sliding = self._sliding_window(connection, segment, window, extent, closed, total)
            yield from sliding.advance(spans, closed, upto, extent)

    def ended(self, connection: Connection, segment: str, window: WindowSpec, tick: int, closed: int) -> list[Run]:
        """(first, stop) of the windows by time that hold `tick` and have ended by `closed`."""
        if window.lifetime:
            return ended_lifetime(window, self.tick, tick, closed)
        return ended_windows(self._extent(connection, segment, window), tick, closed)

    def merged(self, window: WindowSpec, segment: str, held: Sequence[Pane], stop: int) -> Span | None:
        """What a window that ends at tick `stop` says of the panes that it holds."""
        evaluator = self._evaluator(segment)
        if window.half_life:
            return decayed(spans_of(held), window, self.tick, stop, evaluator.merge, evaluator.scale)
        return merged_panes(held, evaluator)

    def _extent(self, connection: Connection, segment: str, window: WindowSpec) -> Extent:
        longest = round((window.span or 0.0) / self.tick)
        return extent_of(
            window, self.tick, lambda end: self._alarms(connection, window.since, segment, end - longest, end)
        )

    def _sliding_window(
        self, connection: Connection, segment: str, window: WindowSpec, extent: Extent | None, closed: int, total: int
    ) -> SlidingWindow | DecayingWindow:
        key = (segment, window.name)
        if key not in self._sliding:
            held = spans_of(self._held(connection, segment, window, extent, closed))
            self._sliding[key] = self._opened(segment, window, held, total)
        return self._sliding[key]

    def _opened(self, segment: str, window: WindowSpec, held: list[Span], total: int) -> SlidingWindow | DecayingWindow:
        evaluator = self._evaluator(segment)
        if window.half_life:
            return DecayingWindow(window, self.tick, evaluator.merge, evaluator.scale, held)
        stacks = TwoStacks(evaluator.merge)
        for span in held:
            stacks.push(span)
        return SlidingWindow(window, self.tick, stacks, total)

    def _held(
        self, connection: Connection, segment: str, window: WindowSpec, extent: Extent | None, closed: int
    ) -> list[Pane]:
        """Closed panes that a window still holds when ticks from `closed` on come."""
        if closed <= series.BEFORE_ALL:
            return []
        if extent is None:
            first = panes.closed_ticks(connection, self.id, segment, window.rows or 0)
            return [] if first is None else panes.closed_range(connection, self.id, segment, first, closed)
        return panes.closed_range(connection, self.id, segment, closed - extent.longest, closed)

    def _lifetime(
        self, connection: Connection, segment: str, window: WindowSpec, spans: list[Span], closed: int, upto: int
    ) -> Iterator[Due]:
        """At the multiples of `every` that some rows came before: everything up to there."""
        every = max(1, round((window.every or self.tick) / self.tick))
        whole = self._so_far(connection, segment, window, closed)
        ticks = [span.first for span in spans] + ([] if whole is None else [whole.stop - 1])
        merge = self._evaluator(segment).merge
        for end in sorted({multiple_after(tick, every) for tick in ticks}):
            if not closed < end <= upto:
                continue
            new = [span for span in spans if span.first < end]
            spans = spans[len(new) :]
            whole = join_all([*([] if whole is None else [whole]), *new], merge)
            if whole is not None:
                yield Due(whole.first * self.tick, end * self.tick, whole)
        rest = join_all([*([] if whole is None else [whole]), *spans], merge)
        self._lifetimes[segment, window.name] = rest, max(closed, upto)

    def _so_far(self, connection: Connection, segment: str, window: WindowSpec, closed: int) -> Span | None:
        """All closed ticks, merged."""
        known = self._lifetimes.get((segment, window.name))
        if known is not None and closed <= known[1]:
            return known[0]
        before = panes.closed_range(connection, self.id, segment, series.BEFORE_ALL, closed)
        return merged_panes(before, self._evaluator(segment))
