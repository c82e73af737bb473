"""Sequential ranks with randomised ties: i.i.d. uniform for exchangeable values, in bounded memory.

Source: Conover, Tercero-Gomez, Cordero-Franco, "The sequential normal scores transformation" (Sequential Analysis
2017), for unbounded memory; smoothed conformal p-values: Vovk et al., "Algorithmic Learning in a Random World" (2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

Counts = NDArray[np.int64]
KEPT = 2000
"""Values that are kept one by one: the first ones. Each later value is counted in the gap between two of them, or as
equal to one. Counted so, ranks stay exactly uniform and independent for ever, while memory is bounded; ranks among the
last values only would not be independent, since a value that is forgotten was seen in ranks before."""
TINY = 1e-12  # a normal score stays finite
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Ranking:
    """values: (m,) sorted, distinct, m <= KEPT.  equal: (m,) how many were equal to each.  gaps: (m + 1,) how many
    fell between: gaps[i] below values[i]. All counts together are the values seen."""

    values: Floats
    equal: Counts
    gaps: Counts

    @classmethod
    def empty(cls) -> Ranking:
        return cls(np.empty(0), np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Ranking:
        return cls(state["values"], state["equal"], state["gaps"])

    def to_state(self) -> dict[str, Any]:
        return {"values": self.values, "equal": self.equal, "gaps": self.gaps}

    @property
    def seen(self) -> int:
        return int(self.equal.sum() + self.gaps.sum())

    def rank(self, x: float, uniform: float) -> tuple[float, Ranking]:
        """(p, the ranking with x): p = (#below + uniform * (#equal + 1)) / (seen + 1), small for small x.

        Values that share a gap count as equal: among them the place of x is drawn.
        """
        place = int(np.searchsorted(self.values, x))
        known = place < len(self.values) and self.values[place] == x
        below = int(self.equal[:place].sum() + self.gaps[: place + known].sum())
        equal = int(self.equal[place] if known else self.gaps[place])
        p = (below + uniform * (equal + 1)) / (self.seen + 1)
        return min(max(p, TINY), 1.0 - TINY), self._with(x, place, known)

    def _with(self, x: float, place: int, known: bool) -> Ranking:
        if known:
            equal = self.equal.copy()
            equal[place] += 1
            return Ranking(self.values, equal, self.gaps)
        if self.seen < KEPT:  # no gap holds a value yet
            values, equal = np.insert(self.values, place, x), np.insert(self.equal, place, 1)
            return Ranking(values, equal, np.zeros(len(values) + 1, dtype=np.int64))
        gaps = self.gaps.copy()
        gaps[place] += 1
        return Ranking(self.values, self.equal, gaps)


def normal_score(p: float) -> float:
    """The standard normal quantile of p."""
    return _NORMAL.inv_cdf(p)
