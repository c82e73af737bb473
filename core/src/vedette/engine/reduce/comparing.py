"""One segment beside another: two versions of a model, canary and default, with an interval of their difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from vedette.config.plan import CompareSpec
from vedette.engine.reasons import unreliable
from vedette.engine.reduce.evaluate import Evaluator, Judge
from vedette.engine.reduce.jackknife import Estimate, Key, estimate
from vedette.engine.reduce.windows import Span, join_all
from vedette_specs.results import Result


def base_of(segment: str, compare: CompareSpec) -> str | None:
    """The segment that `segment` is compared with; None for the base itself."""
    mark = f"{compare.by}="
    place = 0 if segment.startswith(mark) and f",{mark}" not in segment else segment.rfind(f",{mark}") + 1
    base = segment[:place] + mark + compare.base
    return None if base == segment or not segment.startswith(mark, place) else base


@dataclass(frozen=True)
class Beside:
    """Puts differences from the base segment, in the same window, beside a segment's own values."""

    compare: CompareSpec
    evaluator: Callable[[str], Evaluator]
    judge: Judge

    def add(self, found: Result, segment: str, spans: Callable[[str], list[Span]]) -> Result:
        """spans: the closed ticks of a segment in the window. Without differences where one side is not known."""
        base = base_of(segment, self.compare)
        if base is None:
            return found
        one, other, theirs = self.evaluator(segment), self.evaluator(base), spans(base)
        whole = join_all(theirs, other.merge)
        beside = None if whole is None else self.judge.result(other, whole)
        told: dict[str, Any] = {"base": base, "status": "no rows" if beside is None else beside.status}
        values: dict[str, Any] = {}
        if beside is not None and found.status == beside.status == "ok":
            few = unreliable(found.details) | unreliable(beside.details)
            values, rest = compared(spans(segment), theirs, one, other, self.compare.level, few)
            told |= rest
        return replace(found, values={**found.values, **values}, details={**found.details, "compared": told})


def compared(
    mine: Sequence[Span],
    base: Sequence[Span],
    one: Evaluator,
    other: Evaluator,
    level: float,
    left_out: Set[str] = frozenset(),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values `<name>_difference`, `_difference_low`, `_difference_high`; details).

    The interval is Student's with Welch's degrees of freedom, the variance of each side the one that `estimate` finds.
    left_out: names of values that are not compared.  `details.no_interval`: why a difference has none.
    """
    a, b = estimate(mine, one, level), estimate(base, other, level)
    out: dict[str, Any] = {}
    lacking: dict[str, Any] = {}
    for key, value in a.values.items():
        if key[0] in left_out:
            continue
        theirs = b.values.get(key)
        difference = None if theirs is None else value - theirs
        lacks = {side: why for side, found in (("segment", a), ("base", b)) if (why := found.lacks(key))}
        low, high = (None, None) if difference is None or lacks else _interval(a, b, key, difference, level)
        for suffix, number in (("", difference), ("_low", low), ("_high", high)):
            _put(out, f"{key[0]}_difference{suffix}", key[1], number)
        if difference is not None and lacks:
            _put(lacking, key[0], key[1], lacks)
    n = sum(span.labelled or span.rows for span in base)
    details = {"level": level, "n": n, "blocks": [a.blocks, b.blocks]}
    return out, {**details, "no_interval": lacking} if lacking else details


def _put(into: dict[str, Any], name: str, column: str | None, item: Any) -> None:
    if column is None:
        into[name] = item
    else:
        into.setdefault(name, {})[column] = item


def _interval(a: Estimate, b: Estimate, key: Key, difference: float, level: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    va, vb = a.variances[key], b.variances[key]
    freedom = (va + vb) ** 2 / (va**2 / (a.blocks - 1) + vb**2 / (b.blocks - 1))
    reach = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(va + vb)
    return difference - reach, difference + reach
