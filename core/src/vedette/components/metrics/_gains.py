"""Positives among the rows with the highest scores."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._score_cells import Counts
from vedette.components.metrics._scores import Bounded, ScoreMetric
from vedette_specs import Mask, Schema


class GainMetric(ScoreMetric):
    """What the `at` share of rows with the highest probability of the positive class holds. Two classes only."""

    at: float

    def bind(self, schema: Schema) -> GainMetric:
        super().bind(schema)
        if len(schema.classes) > 2:
            raise ValueError(f"{self.name}: there are {len(schema.classes)} classes; allowed: two (a binary task)")
        return self


def check_cut(at: float, who: str) -> float:
    """Raises ValueError where it is not a share above 0."""
    if not 0.0 < at <= 1.0:
        raise ValueError(f"{who}: at is {at}; allowed: above 0, up to 1 (0.1 is the tenth with the highest scores)")
    return at


def share_of_positives(negative: Counts, positive: Counts, at: float, tied: Mask | None = None) -> Bounded | None:
    """Share of the positives in the top `at` of (m,) counts, and its bound; None without positives.

    Of the cell that the cut goes through, positives are taken in proportion: what a random order gives on average, and
    what is meant where all its rows have one score (tied: (m,)).
    """
    total = float(positive.sum())
    if total == 0.0:
        return None
    p, n = positive[::-1].astype(np.float64), negative[::-1].astype(np.float64)
    rows = np.cumsum(p + n)
    wanted = at * rows[-1]
    i = min(int(np.searchsorted(rows, wanted)), len(rows) - 1)
    before = float(p[:i].sum())
    taken = wanted - (rows[i - 1] if i else 0.0)
    here = p[i] * min(taken / (p[i] + n[i]), 1.0) if p[i] + n[i] > 0.0 else 0.0
    if tied is not None and tied[::-1][i]:
        return float((before + here) / total), 0.0
    least, most = max(taken - n[i], 0.0), min(taken, p[i])
    return float((before + here) / total), float(max(most - here, here - least, 0.0) / total)
