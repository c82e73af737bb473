"""Windows as runs of whole ticks: which ones end when ticks close, and their merged states.

Sliding is done with two stacks: a slide costs two merges on average, whatever the number of ticks in the
window, and needs no inverse of merge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.extents import Extent, multiple_after

States = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """Merged ticks [first, stop). states: alias -> component state."""

    first: int
    stop: int
    rows: int
    states: States
    labelled: int = 0
    lag: float = 0.0


Merge = Callable[[States, States], States]


def join(left: Span, right: Span, merge: Merge) -> Span:
    return Span(
        min(left.first, right.first),
        max(left.stop, right.stop),
        left.rows + right.rows,
        merge(left.states, right.states),
        left.labelled + right.labelled,
        left.lag + right.lag,
    )


def join_all(spans: Sequence[Span], merge: Merge) -> Span | None:
    """Merge in a tree, so that floats stay exact and arrays are not copied over and over."""
    level = list(spans)
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [pair[0] if len(pair) == 1 else join(pair[0], pair[1], merge) for pair in pairs]
    return level[0] if level else None


@dataclass
class TwoStacks:
    """A queue of spans that knows the merger of all of them."""

    merge: Merge
    _front: list[tuple[Span, Span]] = field(default_factory=list)  # (item, merger of it and all behind it in front)
    _back: list[Span] = field(default_factory=list)
    _back_total: Span | None = None
    rows: int = 0

    def push(self, item: Span) -> None:
        self._back.append(item)
        self._back_total = item if self._back_total is None else join(self._back_total, item, self.merge)
        self.rows += item.rows

    def pop(self) -> None:
        """Drop the oldest."""
        self._turn()
        item, _ = self._front.pop()
        self.rows -= item.rows

    def oldest(self) -> Span | None:
        if not self._front and not self._back:
            return None
        self._turn()
        return self._front[-1][0]

    def total(self) -> Span | None:
        front = self._front[-1][1] if self._front else None
        if front is None or self._back_total is None:
            return front or self._back_total
        return join(front, self._back_total, self.merge)

    def _turn(self) -> None:
        if self._front:
            return
        total: Span | None = None
        for item in reversed(self._back):
            total = item if total is None else join(item, total, self.merge)
            self._front.append((item, total))
        self._back, self._back_total = [], None


@dataclass(frozen=True)
class Due:
    """A window that ends: its time span [start, end) and what it holds."""

    start: float
    end: float
    span: Span


def ended_windows(extent: Extent, tick: int, closed: int) -> list[tuple[int, int]]:
    """(first, stop) in ticks of the windows by time that hold `tick` and have ended by `closed`."""
    runs = [(extent.first(stop), stop) for stop in extent.ends(tick, closed)]
    return [run for run in runs if run[0] <= tick]


def ended_lifetime(spec: WindowSpec, tick_length: float, tick: int, closed: int) -> list[tuple[int, int]]:
    """Of a lifetime window, which holds `tick` for ever, the first one that has ended by `closed`."""
    every = max(1, round((spec.every or tick_length) / tick_length))
    end = multiple_after(tick, every)
    return [(tick, end)] if end <= closed else []


@dataclass
class SlidingWindow:
    """One window of one segment, fed with closed ticks in order.

    total_rows: rows of closed ticks so far, the clock of windows by rows.
    """

    spec: WindowSpec
    tick: float
    stacks: TwoStacks
    total_rows: int = 0

    def advance(self, ticks: Sequence[Span], closed: int, stop: int, extent: Extent | None) -> Iterator[Due]:
        """Feed the ticks that close in [closed, stop) and yield the windows that end with them, in order.

        extent: of a window by time.
        """
        if self.spec.rows is not None:
            yield from self._by_rows(ticks, self.spec.rows)
        elif extent is not None:
            yield from self._by_time(ticks, extent, closed, stop)

    def _by_rows(self, ticks: Sequence[Span], rows: int) -> Iterator[Due]:
        every = max(1, int(self.spec.every or rows))
        for item in ticks:
            before = self.total_rows
            self.total_rows += item.rows
            self.stacks.push(item)
            while (oldest := self.stacks.oldest()) is not None and self.stacks.rows - oldest.rows >= rows:
                self.stacks.pop()
            total = self.stacks.total()
            if total is not None and self.total_rows // every > before // every:
                yield Due(total.first * self.tick, total.stop * self.tick, total)

    def _by_time(self, ticks: Sequence[Span], extent: Extent, closed: int, stop: int) -> Iterator[Due]:
        waiting = list(ticks)
        for end in self._ends(ticks, extent, closed, stop):
            while waiting and waiting[0].first < end:
                self.stacks.push(waiting.pop(0))
            first = extent.first(end)
            while (oldest := self.stacks.oldest()) is not None and oldest.first < first:
                self.stacks.pop()
            if (total := self.stacks.total()) is not None:
                yield Due(first * self.tick, end * self.tick, total)
        for item in waiting:
            self.stacks.push(item)

    def _ends(self, ticks: Sequence[Span], extent: Extent, closed: int, stop: int) -> list[int]:
        """Ticks in (closed, stop] at which a window ends that may hold rows. All in ticks."""
        held = {tick.first for tick in ticks}
        if (total := self.stacks.total()) is not None:
            held.update(range(max(total.first, closed - extent.longest), total.stop))
        ends = {end for tick in held for end in extent.ends(tick, stop)}
        return sorted(end for end in ends if closed < end <= stop)
