"""Chi-square test of category columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc

from vedette.components.drift._window_test import Findings, Ints, WindowTest, column_of, missing_tests
from vedette.components.metrics._categories import add_counts, count_column, empty_table, merge_tables
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, FeatureVerdict, State, Tags
from vedette_specs.decisions import Correction

_UNSEEN = 100  # unseen categories of a column that are counted one by one
_EXPECTED = 5.0  # Cochran (1954): cells with smaller expected counts are pooled


class Chi2(WindowTest):
    """Chi-square test of homogeneity of every category column of a window against the reference.

    columns: category input columns; all of them when None.
    alpha, correction, min_rows: as for `ks`.
    max_categories: the commonest categories of the reference, counted one by one; the rest together.

    Categories whose expected count is below 5 are pooled into one cell, which joins the smallest other cell when it
    still expects less than 1. Categories that the reference does not have are cells like all others (pooled when
    rare: a column of many rare categories always has new ones, drift or no drift) and are named in `details.unseen`.
    Effect: total variation distance of the shares, ``sum |p - q| / 2`` over the cells, in [0, 1].
    Missing values are a feature of their own, ``column:missing``.
    Source: Pearson (1900); as scipy.stats.chi2_contingency(correction=False) over the cells.
    """

    tags = Tags(modalities=("category",))

    columns_: list[str]
    categories_: list[list[str]]
    counts_: list[list[int]]
    other_: list[int]
    missing_: Ints
    rows_: int

    def __init__(
        self,
        columns: list[str] | None = None,
        alpha: float = 0.01,
        correction: Correction = "bh",
        min_rows: int = 30,
        max_categories: int = 1000,
    ) -> None:
        super().__init__(columns, alpha, correction, min_rows)
        if max_categories < 1:
            raise ValueError(f"chi2: max_categories is {max_categories}; allowed: 1 or more")
        self.max_categories = max_categories

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "category", who="chi2")
        counted = [count_column(reference.inputs[name]) for name in self.columns_]
        ranked = [sorted(counts.items(), key=lambda item: (-item[1], item[0])) for counts, _ in counted]
        self.categories_ = [[name for name, _ in items[: self.max_categories]] for items in ranked]
        self.counts_ = [[count for _, count in items[: self.max_categories]] for items in ranked]
        self.other_ = [sum(count for _, count in items[self.max_categories :]) for items in ranked]
        self.missing_ = np.array([missing for _, missing in counted], dtype=np.int64)
        self.rows_ = len(reference)

    def create(self) -> State:
        d = len(self.columns_)
        return {
            "n": 0,
            "missing": [0] * d,
            "counts": [[0] * len(names) for names in self.categories_],
            "unseen": [empty_table() for _ in range(d)],
        }

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        missing, counts, unseen = list(state["missing"]), list(state["counts"]), list(state["unseen"])
        for j, name in enumerate(self.columns_):
            seen, gone = count_column(column_of(batch, name, "chi2"))
            missing[j] += gone
            counts[j] = [old + seen.pop(known, 0) for known, old in zip(self.categories_[j], counts[j], strict=True)]
            if seen:
                unseen[j] = add_counts(unseen[j], seen, _UNSEEN)
        return {"n": state["n"] + len(batch), "missing": missing, "counts": counts, "unseen": unseen}

    def merge(self, left: State, right: State) -> State:
        return {
            "n": left["n"] + right["n"],
            "missing": [a + b for a, b in zip(left["missing"], right["missing"], strict=True)],
            "counts": [
                [a + b for a, b in zip(mine, yours, strict=True)]
                for mine, yours in zip(left["counts"], right["counts"], strict=True)
            ],
            "unseen": [merge_tables(a, b, _UNSEEN) for a, b in zip(left["unseen"], right["unseen"], strict=True)],
        }

    def findings(self, state: State) -> Findings:
        missing = np.array(state["missing"], dtype=np.int64)
        tests = [self._test(j, state) for j in range(len(self.columns_))]
        tests += missing_tests(self.columns_, self.missing_, self.rows_, missing, state["n"])
        unseen = {name: _shown(t) for name, t in zip(self.columns_, state["unseen"], strict=True) if t["counts"]}
        return Findings(tuple(tests), {"unseen": unseen})

    def _test(self, j: int, state: State) -> FeatureVerdict:
        name, table = self.columns_[j], state["unseen"][j]
        own = [] if self.other_[j] else table["counts"]  # unseen or merely uncommon: cannot be told apart, so pooled
        reference = [*self.counts_[j], *(0 for _ in own), self.other_[j]]
        rest = table["other"] + (sum(table["counts"]) if self.other_[j] else 0)
        window = [*state["counts"][j], *own, rest]
        n, m = sum(reference), sum(window)
        if not (n and m):
            return FeatureVerdict(name, "chi2", None, None, None, n, m, None)
        effect = sum(abs(a * m - b * n) for a, b in zip(reference, window, strict=True)) / (2.0 * n * m)
        cells = pool(reference, window)
        statistic = chi_square(cells)
        p_value = float(chdtrc(len(cells) - 1.0, statistic)) if len(cells) > 1 else 1.0
        return FeatureVerdict(name, "chi2", statistic, p_value, effect, n, m, None)


Cells = list[tuple[int, int]]


def pool(reference: list[int], window: list[int]) -> Cells:
    """Counts of both as cells: rare ones, and the last one (all the rest), together. Which cells are rare is decided by
    the total alone, which leaves the null distribution as it is."""
    share = min(sum(reference), sum(window)) / (sum(reference) + sum(window))
    cells: Cells = []
    rare, other = reference[-1], window[-1]
    for a, b in zip(reference[:-1], window[:-1], strict=True):
        if (a + b) * share >= _EXPECTED:
            cells.append((a, b))
        else:
            rare, other = rare + a, other + b
    if (rare + other) * share >= 1.0 or not cells:
        return [*cells, (rare, other)]
    cells.sort(key=sum)
    return [(cells[0][0] + rare, cells[0][1] + other), *cells[1:]]


def chi_square(cells: Cells) -> float:
    """Pearson's statistic of the 2 x k table."""
    n, m = sum(a for a, _ in cells), sum(b for _, b in cells)
    return sum((a * m - b * n) ** 2 / (a + b) for a, b in cells) / (n * m)


def _shown(table: dict[str, Any]) -> dict[str, Any]:
    """Rows of unseen categories, and the commonest of them."""
    pairs = sorted(zip(table["names"], table["counts"], strict=True), key=lambda item: (-item[1], item[0]))
    return {"rows": sum(table["counts"]) + table["other"], "categories": [name for name, _ in pairs[:10]]}
