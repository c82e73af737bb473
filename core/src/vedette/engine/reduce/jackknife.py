"""How far a segment's values may be off by chance: the jackknife over blocks of a window's ticks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.config.plan import BLOCKS
from vedette.engine.reduce.evaluate import Evaluator
from vedette.engine.reduce.windows import Span, join_all

FEWEST_BLOCKS = 5  # with fewer, a spread between blocks says nothing
FEWEST_ROWS = 30  # of what is no share: with fewer, skewness makes an interval too narrow
ROUNDING = 2.0**-48  # relative
Key = tuple[str, str | None]  # name of the value, column
Flat = dict[Key, float]


@dataclass(frozen=True)
class Estimate:
    """Values of a segment over `blocks` blocks of its ticks. variances: of those that have one."""

    values: Flat
    variances: Flat
    blocks: int
    rows: int

    def lacks(self, key: Key) -> str:
        """Why a value has no variance; "" where it has one."""
        if key in self.variances:
            return ""
        if self.blocks < FEWEST_BLOCKS:
            return f"rows in {self.blocks} parts of the window only; {FEWEST_BLOCKS} are needed"
        if self.rows < FEWEST_ROWS:
            return f"{self.rows} rows only; {FEWEST_ROWS} are needed"
        return "alike in all parts of the window, or not known in some: how far it may be off does not show"


def estimate(spans: Sequence[Span], evaluator: Evaluator, level: float) -> Estimate:
    """level: of the intervals that the variances are for, such as .95.

    The variance is the delete-a-block jackknife's over blocks of consecutive ticks: it holds for every metric that is
    smooth in the rows (means, rates, areas, not extremes), also where neighbouring rows depend on each other within a
    block. Of a value that is alike in all blocks it would be 0, which only says that there was too little to see; such
    a value has none, nor has one of a handful of rows. But where the metric says of how many rows it is a share
    (`Metric.shares`), the variance is at least that of a share of independent rows, with some more of either kind.
    Source: Kuensch, "The jackknife and the bootstrap for general stationary observations" (1989); Shao, Tu, "The
    jackknife and bootstrap" (1995), section 2.3.
    """
    blocks = _blocks(spans, evaluator)
    whole = join_all(blocks, evaluator.merge)
    if whole is None:
        return Estimate({}, {}, 0, 0)
    values, count, rows = _flat(evaluator, whole), len(blocks), whole.labelled or whole.rows
    if count < FEWEST_BLOCKS:
        return Estimate(values, {}, count, rows)
    left_out = [_flat(evaluator, rest) for rest in _each_left_out(blocks, evaluator)]
    shares = flat(evaluator.shares(whole))
    variances: Flat = {}
    for key, value in values.items():
        found = [one[key] for one in left_out if key in one]
        variance = _jackknife(found) if len(found) == count else 0.0
        share_of = shares.get(key, 0.0)
        if share_of > 0.0:
            variance = max(variance, _least(value, share_of, level))
        if variance > 0.0 and (share_of > 0.0 or rows >= FEWEST_ROWS):
            variances[key] = variance
    return Estimate(values, variances, count, rows)


def _jackknife(left_out: Sequence[float]) -> float:
    """0.0 where all are alike but for rounding."""
    mean = math.fsum(left_out) / len(left_out)
    if max(abs(x - mean) for x in left_out) <= ROUNDING * abs(mean):
        return 0.0
    return (len(left_out) - 1) / len(left_out) * math.fsum((x - mean) ** 2 for x in left_out)


def _least(share: float, rows: float, level: float) -> float:
    """The variance of a share of independent rows, as if max(2, z^2 / 2) more of them had been right, and wrong.

    With these, intervals around shares near 0 and 1 are no shorter than Wilson's are on the side where the truth is.
    Source: Agresti, Coull, "Approximate is better than exact for interval estimation of binomial proportions" (1998).
    """
    from scipy.special import ndtri

    more = max(2.0, float(ndtri((1.0 + level) / 2.0)) ** 2 / 2.0)
    p = (min(max(share, 0.0), 1.0) * rows + more) / (rows + 2.0 * more)
    return p * (1.0 - p) / rows


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
    return flat(evaluator.result(span, "", 0.0, 0.0, 0).values)


def flat(values: Mapping[str, Any]) -> Flat:
    """The known numbers among named values."""
    found: Flat = {}
    for name, value in values.items():
        columns: Mapping[Any, Any] = value if isinstance(value, Mapping) else {None: value}
        found |= {(name, key): float(v) for key, v in columns.items() if v is not None and math.isfinite(v)}
    return found
