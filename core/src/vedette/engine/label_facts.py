"""How far labels have come, told with every result that stands on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class LabelFacts:
    """Of a result's window. coverage: share of its predictions that have a label, None without predictions.

    lag: mean seconds from prediction to label, None without labels.  mature: whether rules may judge it.
    """

    coverage: float | None
    lag: float | None
    mature: bool

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Self | None:
        """None where the result (as JSON) stands on no labels."""
        facts = result.get("details", {}).get("labels")
        if not isinstance(facts, Mapping) or "mature" not in facts:
            return None
        return cls(facts.get("coverage"), facts.get("lag"), bool(facts["mature"]))

    def __str__(self) -> str:
        """90 % labelled, after 1.3 d."""
        share = "none" if self.coverage is None else f"{_percent(self.coverage)} %"
        return f"{share} labelled" + ("" if self.lag is None else f", after {span(self.lag)}")


def span(seconds: float) -> str:
    """A time span for people: 42 s, 5 min, 3.5 h, 2 d."""
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.2g} {unit}" if abs(seconds) < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _percent(share: float) -> str:
    """Never 100 where some are missing, nor 0 where some are there."""
    if 0.0 < share < 0.01 or 0.99 < share < 1.0:
        return f"{min(max(100 * share, 0.01), 99.99):.2f}"
    return f"{100 * share:.0f}"
