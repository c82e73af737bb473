"""Windows in which rows count less as they age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.extents import Extent
from vedette.engine.reduce.windows import Due, Merge, Span, States, join_all

Scale = Callable[[States, float], States]


def decayed(spans: Sequence[Span], spec: WindowSpec, tick: float, end: int, merge: Merge, scale: Scale) -> Span | None:
    """The merger of `spans`, each row counted as 2^-(age / half-life) rows. All of a step (`every`) have one age.

    So the same rows give the same number whether ticks come one by one, at once, or late. Rows and labelled rows are
    the sums of these weights, to the nearest whole number.
    """
    every = max(1, round(spec.every / tick))
    weighed, rows, labelled, lag = [], 0.0, 0.0, 0.0
    for slot, members in _by_slot(spans, every):
        if (whole := join_all(members, merge)) is None:
            continue
        weight = 2.0 ** -((end - (slot + 1) * every) * tick / spec.half_life)
        weighed.append(replace(whole, states=scale(whole.states, weight)))
        rows, labelled, lag = rows + weight * whole.rows, labelled + weight * whole.labelled, lag + weight * whole.lag
    total = join_all(weighed, merge)
    return None if total is None else replace(total, rows=round(rows), labelled=round(labelled), lag=lag)


def _by_slot(spans: Sequence[Span], every: int) -> Iterator[tuple[int, list[Span]]]:
    slots: dict[int, list[Span]] = {}
    for span in spans:
        slots.setdefault(span.first // every, []).append(span)
    yield from sorted(slots.items())


@dataclass
class DecayingWindow:
    """One decaying window of one segment, fed with closed ticks in order."""

    spec: WindowSpec
    tick: float
    merge: Merge
    scale: Scale
    held: list[Span] = field(default_factory=list)

    def advance(self, ticks: Sequence[Span], closed: int, stop: int, extent: Extent | None) -> Iterator[Due]:
        assert extent is not None
        self.held = [*self.held, *ticks]
        ends = {end for span in self.held for end in extent.ends(span.first, stop) if end > closed}
        for end in sorted(ends):
            first = extent.first(end)
            inside = [span for span in self.held if first <= span.first < end]
            total = decayed(inside, self.spec, self.tick, end, self.merge, self.scale)
            if total is not None:
                yield Due(first * self.tick, end * self.tick, total)
        self._forget(stop, stop - extent.longest)

    def _forget(self, stop: int, first: int) -> None:
        """Drop what no later window holds, and merge what has one age for ever."""
        every = max(1, round(self.spec.every / self.tick))
        kept = [span for span in self.held if span.first >= first]
        self.held = []
        for slot, members in _by_slot(kept, every):
            done = (slot + 1) * every <= stop
            whole = join_all(members, self.merge) if done else None
            self.held += members if whole is None else [replace(whole, first=slot * every)]
