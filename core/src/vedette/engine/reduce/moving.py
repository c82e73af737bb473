"""The windows of one series as ticks close: held in memory, read again from the store when they were forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.evaluate import Evaluator, decode_states
from vedette.engine.reduce.windows import Due, SlidingWindow, Span, TwoStacks, join_all
from vedette.store import panes, series
from vedette.store.panes import Pane


def merged_panes(members: Sequence[Pane], evaluator: Evaluator) -> Span | None:
    spans = [Span(p.tick, p.tick + 1, p.rows, decode_states(p.state), p.labelled, p.lag) for p in members]
    return join_all(spans, evaluator.merge)


class MovingWindows:
    """Sliding windows by segment, and the merger of everything for lifetime windows."""

    def __init__(self, series_id: int, tick: float, evaluator: Callable[[str], Evaluator]) -> None:
        self.id = series_id
        self.tick = tick
        self._evaluator = evaluator
        self._sliding: dict[tuple[str, str], SlidingWindow] = {}
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
            sliding = self._sliding_window(connection, segment, window, closed, total)
            yield from sliding.advance(spans, closed, upto)

    def _sliding_window(
        self, connection: Connection, segment: str, window: WindowSpec, closed: int, total: int
    ) -> SlidingWindow:
        key = (segment, window.name)
        if key not in self._sliding:
            evaluator = self._evaluator(segment)
            stacks = TwoStacks(evaluator.merge)
            for pane in self._held(connection, segment, window, closed):
                if (span := merged_panes([pane], evaluator)) is not None:
                    stacks.push(span)
            self._sliding[key] = SlidingWindow(window, self.tick, stacks, total)
        return self._sliding[key]

    def _held(self, connection: Connection, segment: str, window: WindowSpec, closed: int) -> list[Pane]:
        """Closed panes that a window still holds when ticks from `closed` on come."""
        if closed <= series.BEFORE_ALL:
            return []
        if window.rows is not None:
            first = panes.closed_ticks(connection, self.id, segment, window.rows)
            return [] if first is None else panes.closed_range(connection, self.id, segment, first, closed)
        length = round((window.span or 0.0) / self.tick)
        return panes.closed_range(connection, self.id, segment, closed - length, closed)

    def _lifetime(
        self, connection: Connection, segment: str, window: WindowSpec, spans: list[Span], closed: int, upto: int
    ) -> Iterator[Due]:
        """At the multiples of `every` that some rows came before: everything up to there."""
        every = max(1, round((window.every or self.tick) / self.tick))
        whole = self._so_far(connection, segment, window, closed)
        ticks = [span.first for span in spans] + ([] if whole is None else [whole.stop - 1])
        merge = self._evaluator(segment).merge
        for end in sorted({-(-(tick + 1) // every) * every for tick in ticks}):
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
