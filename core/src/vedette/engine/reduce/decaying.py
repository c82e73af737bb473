"""Windows in which rows count less as they age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vedette.config.plan import WindowSpec
from vedette.engine.reduce.extents import Extent
from vedette.engine.reduce.windows import Due, Merge, Span, join_all

Scale = Callable[[Span, float], Span]


def decayed(spans: Sequence[Span], spec: WindowSpec, tick: float, end: int, merge: Merge, scale: Scale) -> Span | None:
    """The merger of `spans`, each row counted as 2^-(age / half-life) rows. All of a step (`every`) have one age.

    So the same rows give the same number whether ticks come one by one, at once, or late.
    """
    every = max(1, round(spec.every / tick))
    weighed = []
    for slot, members in _by_slot(spans, every):
        age = (end - (slot + 1) * every) * tick
        if (whole := join_all(members, merge)) is not None:
            weighed.append(scale(whole, 2.0 ** -(age / spec.half_life)))
    return join_all(weighed, merge)


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
    extent: Extent
    merge: Merge
    scale: Scale
    held: list[Span] = field(default_factory=list)

    def advance(self, ticks: Sequence[Span], closed: int, stop: int) -> Iterator[Due]:
        self.held = [*self.held, *ticks]
        ends = {end for span in self.held for end in self.extent.ends(span.first, stop) if end > closed}
        for end in sorted(ends):
            first = self.extent.first(end)
            inside = [span for span in self.held if first <= span.first < end]
            total = decayed(inside, self.spec, self.tick, end, self.merge, self.scale)
            if total is not None:
                yield Due(first * self.tick, end * self.tick, total)
        self._forget(stop)

    def _forget(self, stop: int) -> None:
        """Drop what no later window holds, and merge what has one age for ever."""
        every = max(1, round(self.spec.every / self.tick))
        kept = [span for span in self.held if span.first >= stop - self.extent.longest]
        self.held = []
        for slot, members in _by_slot(kept, every):
            done = (slot + 1) * every <= stop
            whole = join_all(members, self.merge) if done else None
            self.held += members if whole is None else [replace(whole, first=slot * every)]
