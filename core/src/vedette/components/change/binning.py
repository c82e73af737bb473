"""Columns as bins of the reference: what a sequential detector counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Batch, Column, Floats

Counts = NDArray[np.int64]
Bins = NDArray[np.int64]


def quantile_edges(values: Floats, bins: int) -> Floats:
    """(k,) sorted distinct reference quantiles, k < bins; bin b holds ``edges[b-1] < x <= edges[b]``."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.empty(0)
    return np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))


def frequent_categories(column: Column, limit: int) -> list[str]:
    """At most `limit` of the categories that occur, the most frequent first, equal ones by name."""
    present = np.bincount(column.values[column.values >= 0], minlength=len(column.categories))
    order = sorted(np.flatnonzero(present), key=lambda code: (-present[code], column.categories[code]))
    return [column.categories[code] for code in order[:limit]]


class Binning:
    """Bins of several columns, each padded to the same number of bins, so that counts are one array.

    A numeric column's bins are its quantile intervals, then one for missing values. A category column's are its
    categories from frequent to rare, one for all others (unseen ones), and one for missing values.
    """

    def __init__(
        self, columns: Sequence[str], edges: Mapping[str, Floats], categories: Mapping[str, Sequence[str]]
    ) -> None:
        self.columns = list(columns)
        self._edges = edges
        self._categories = categories
        self.width = max(self._size(name) for name in self.columns)

    def bins(self, batch: Batch) -> Bins:
        """(n, columns) bin of every value."""
        return np.column_stack([self._column_bins(name, batch.inputs[name]) for name in self.columns])

    def counts(self, batch: Batch) -> Counts:
        """(columns * width,) rows per bin, column by column."""
        cells = self.bins(batch) + self.width * np.arange(len(self.columns))
        return np.bincount(cells.ravel(), minlength=self.width * len(self.columns)).astype(np.int64)

    def _size(self, name: str) -> int:
        return len(self._edges[name]) + 2 if name in self._edges else len(self._categories[name]) + 2

    def _column_bins(self, name: str, column: Column) -> Bins:
        if name in self._categories:
            codes = column.codes(self._categories[name]).astype(np.int64)
            return np.where(codes < 0, len(self._categories[name]) + 1, codes)
        if column.kind != "numeric":
            raise ValueError(f"column {name!r} is {column.kind}; it was numeric in the reference")
        edges = self._edges[name]
        found = np.searchsorted(edges, column.values, side="left")
        return np.where(np.isnan(column.values), len(edges) + 1, found).astype(np.int64)
