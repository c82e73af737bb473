"""Columns and attributes as numbers, and rows that weigh differently."""

from __future__ import annotations

import numpy as np

from vedette_specs import Batch, Column, Floats, Mask, Metric


def find_column(batch: Batch, name: str) -> Column | None:
    """An attribute or input by name (attributes first, as for segments); None where the batch has neither.

    Where labels come later, the engine keeps the inputs that a metric names among the attributes of the prediction.
    """
    found = batch.attributes.get(name)
    return batch.inputs.get(name) if found is None else found


def as_numbers(column: Column | None, n: int) -> Floats:
    """(n,) float64; NaN where a value is missing or no number. Text that writes a number counts as one."""
    if column is None or column.kind in ("image", "embedding"):
        return np.full(n, np.nan)
    if column.kind == "numeric":
        return np.asarray(column.values, dtype=np.float64)
    if column.kind == "category":
        lookup = np.array([*map(_number, column.categories), np.nan])
        return np.asarray(lookup[column.values])
    return np.fromiter((_number(item) for item in column.strings()), dtype=np.float64, count=n)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else np.nan
    except ValueError:
        return np.nan


class Weighted(Metric):
    """A metric whose rows can weigh differently.

    weight: numeric input column or attribute, the weight of each row (scikit-learn's `sample_weight`); None weighs
    all rows alike. A row whose weight is missing, negative or infinite is left out and counted.
    """

    weight: str | None = None

    def kept_columns(self) -> tuple[str, ...]:
        return () if self.weight is None else (self.weight,)

    def weights(self, batch: Batch) -> Floats | None:
        """(n,) weights, NaN where a row has none; None where all weigh alike."""
        if self.weight is None:
            return None
        given = as_numbers(find_column(batch, self.weight), len(batch))
        return np.where(np.isfinite(given) & (given >= 0.0), given, np.nan)

    def weighed(self, batch: Batch, known: Mask) -> tuple[Mask, Floats | None]:
        """(rows of `known` that have a weight, (their number,) weights or None)."""
        weights = self.weights(batch)
        if weights is None:
            return known, None
        known = known & ~np.isnan(weights)
        return known, weights[known]
