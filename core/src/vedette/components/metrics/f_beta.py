"""Weighted harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._confusion import Margins
from vedette.components.metrics._rates import Average, RateMetric
from vedette_specs import Floats, Tags


class FBeta(RateMetric):
    """``(1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)`` of a class, in [0, 1].

    beta: how many times as much recall counts as precision; above 0.
    average: `binary` (default for two classes), `macro` (default for more), `micro`, `weighted`, `by_class`.
    weight: input column or attribute that weighs the rows.
    A class with neither labels nor predictions has none: not 0 but not known.
    Rows whose label or prediction is missing are left out and counted in `details.left_out`; a label or prediction that
    is none of `schema.classes` is wrong, and counted in `details.unknown_class`.
    Source: van Rijsbergen, "Information Retrieval" (1979).
    """

    name = "f_beta"
    tags = Tags(needs_labels=True)

    def __init__(self, beta: float = 1.0, average: Average | None = None, weight: str | None = None) -> None:
        if not 0.0 < beta < float("inf"):
            raise ValueError(f"f_beta: beta is {beta}; allowed: a number above 0")
        self.beta = beta
        self.average = average
        self.weight = weight

    def parts(self, counts: Margins) -> tuple[Floats, Floats]:
        square = self.beta**2
        return (1.0 + square) * counts.right, square * counts.labelled + counts.answered

    def behind(self, counts: Margins) -> Floats:
        weighty = max(1.0, self.beta**2)  # what the weightier kind of error counts
        return np.minimum(self.parts(counts)[1] / weighty, counts.total)
