"""One segment beside another: two versions of a model, canary and default, with an interval of their difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vedette.config.plan import BLOCKS, CompareSpec
from vedette.engine.reduce.evaluate import Evaluator, Judge
from vedette.engine.reduce.windows import Span, join_all
from vedette_specs.results import Result

FEWEST_BLOCKS = 5  # with fewer, a spread between blocks says nothing
Flat = dict[tuple[str, str | None], float]  # (name of the value, column) -> number


@dataclass(frozen=True)
class Estimate:
    """Values of a segment, and their variances over `blocks` blocks of its ticks (none with too few of these)."""

    values: Flat
    variances: Flat
    blocks: int


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
        status = "no rows" if whole is None else self.judge.result(other, whole).status
        told: dict[str, Any] = {"base": base, "status": status}
        values: dict[str, Any] = {}
        if found.status == status == "ok":
            values, rest = compared(spans(segment), theirs, one, other, self.compare.level)
            told |= rest
        return replace(found, values={**found.values, **values}, details={**found.details, "compared": told})


def compared(
    mine: Sequence[Span], base: Sequence[Span], one: Evaluator, other: Evaluator, level: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values `<name>_difference`, `_difference_low`, `_difference_high`; details).

    The interval is Student's with Welch's degrees of freedom, the variance of each side the delete-a-block jackknife's
    over blocks of consecutive ticks: it holds for every metric that is smooth in the rows (means, rates, areas, not
    extremes), also where neighbouring rows depend on each other within a block.
    Source: Kuensch, "The jackknife and the bootstrap for general stationary observations" (1989); Shao, Tu, "The
    jackknife and bootstrap" (1995), section 2.3.
    """
    a, b = estimate(mine, one), estimate(base, other)
    out: dict[str, Any] = {}
    for (name, column), value in a.values.items():
        theirs = b.values.get((name, column))
        difference = None if theirs is None else value - theirs
        low, high = _interval(a, b, (name, column), difference, level)
        for suffix, number in (("", difference), ("_low", low), ("_high", high)):
            key = f"{name}_difference{suffix}"
            if column is None:
                out[key] = number
            else:
                out.setdefault(key, {})[column] = number
    n = sum(span.labelled or span.rows for span in base)
    return out, {"level": level, "n": n, "blocks": [a.blocks, b.blocks]}


def estimate(spans: Sequence[Span], evaluator: Evaluator) -> Estimate:
    blocks = _blocks(spans, evaluator)
    whole = join_all(blocks, evaluator.merge)
    if whole is None:
        return Estimate({}, {}, 0)
    values, count = _flat(evaluator, whole), len(blocks)
    if count < FEWEST_BLOCKS:
        return Estimate(values, {}, count)
    left_out = [_flat(evaluator, rest) for rest in _each_left_out(blocks, evaluator)]
    variances: Flat = {}
    for key in values:
        found = [one[key] for one in left_out if key in one]
        if len(found) == count:
            mean = math.fsum(found) / count
            variances[key] = (count - 1) / count * math.fsum((x - mean) ** 2 for x in found)
    return Estimate(values, variances, count)


def _blocks(spans: Sequence[Span], evaluator: Evaluator) -> list[Span]:
    """At most BLOCKS runs of consecutive ticks with about equally many rows."""
    sizes = [span.labelled or span.rows for span in spans]
    total, before = sum(sizes), 0
    members: dict[int, list[Span]] = {}
    for span, size in sorted(zip(spans, sizes, strict=True), key=lambda pair: pair[0].first):
        if size:
            members.setdefault((2 * before + size) * BLOCKS // (2 * total), []).append(span)
        before += size
    joined = [join_all(part, evaluator.merge) for _, part in sorted(members.items())]
    return [span for span in joined if span is not None]


def _each_left_out(blocks: Sequence[Span], evaluator: Evaluator) -> list[Span]:
    """The mergers of all blocks but one, by what is before and behind it."""
    before: list[Span | None] = [None]
    behind: list[Span | None] = [None]
    for block, last in zip(blocks, reversed(blocks), strict=True):
        before.append(join_all([s for s in (before[-1], block) if s is not None], evaluator.merge))
        behind.append(join_all([s for s in (last, behind[-1]) if s is not None], evaluator.merge))
    rests = []
    for i in range(len(blocks)):
        parts = [s for s in (before[i], behind[len(blocks) - 1 - i]) if s is not None]
        if (rest := join_all(parts, evaluator.merge)) is not None:
            rests.append(rest)
    return rests


def _flat(evaluator: Evaluator, span: Span) -> Flat:
    return flat(evaluator.result(span, "", 0.0, 0.0, 0))


def flat(result: Result) -> Flat:
    """The known numbers among a result's values."""
    found: Flat = {}
    for name, value in result.values.items():
        columns: Mapping[Any, Any] = value if isinstance(value, Mapping) else {None: value}
        found |= {(name, key): float(v) for key, v in columns.items() if v is not None and math.isfinite(v)}
    return found


def _interval(
    a: Estimate, b: Estimate, key: tuple[str, str | None], difference: float | None, level: float
) -> tuple[float | None, float | None]:
    if difference is None or key not in a.variances or key not in b.variances:
        return None, None
    va, vb = a.variances[key], b.variances[key]
    if va + vb == 0.0:
        return difference, difference
    from scipy.special import stdtrit

    freedom = (va + vb) ** 2 / (va**2 / (a.blocks - 1) + vb**2 / (b.blocks - 1))
    reach = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(va + vb)
    return difference - reach, difference + reach
