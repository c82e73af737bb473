"""Two-sample Kolmogorov-Smirnov test of numeric columns."""

from __future__ import annotations

import numpy as np

from vedette.components.drift._codes import add_codes, code_counts, empty_codes, merge_codes
from vedette.components.drift._ks_law import ks_p_values
from vedette.components.drift._reference import Ints, SortedReference
from vedette.components.drift._window_test import Findings, WindowTest, column_of, missing_tests
from vedette.components.metrics._columns import pick, stack
from vedette_specs import Batch, FeatureVerdict, Floats, State, Tags
from vedette_specs.decisions import Correction


class KS(WindowTest):
    """Kolmogorov-Smirnov test of every numeric column of a window against the reference, exact on merged windows.

    columns: numeric input columns; all of them when None.
    alpha: error rate over all features of one window. Windows are looked at again and again, one false alarm in a
    hundred looks is the default; for a promise over time use a sequential detector.
    correction: for testing many features at once: `bh` (Benjamini-Hochberg), `by`, `bonferroni` or `none`.
    min_rows: fewer rows without missing values (of window or reference) give no decision.
    max_reference: reference values kept per column; a longer reference is thinned to as many evenly spaced order
    statistics, which moves the statistic by at most 1 / (2 max_reference), and counts as that many values.

    Statistic and effect of a feature: D = sup |F_window - F_reference|, in [0, 1]. `details.superiority` is
    P(window value > reference value) + P(equal) / 2: above .5 the window's values are larger. Missing values are a
    feature of their own, ``column:missing``. Infinite values are values.
    Source: Smirnov (1939); Hodges (1958); Pelz and Good (1976) for the p-value, as in scipy.stats.ks_2samp.
    """

    tags = Tags(modalities=("numeric",))

    columns_: list[str]
    values_: Floats
    cumulative_: Ints
    offsets_: Ints
    kept_: Ints
    n_: Ints
    missing_: Ints
    rows_: int

    def __init__(
        self,
        columns: list[str] | None = None,
        alpha: float = 0.01,
        correction: Correction = "bh",
        min_rows: int = 30,
        max_reference: int = 10_000,
    ) -> None:
        super().__init__(columns, alpha, correction, min_rows)
        if max_reference < 2:
            raise ValueError(f"ks: max_reference is {max_reference}; allowed: 2 or more")
        self.max_reference = max_reference

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "numeric", who="ks")
        x = stack(reference, self.columns_)
        present = [column[~np.isnan(column)] for column in x]
        compiled = SortedReference.compile(present, self.max_reference)
        self.values_, self.cumulative_ = compiled.values, compiled.cumulative
        self.offsets_, self.kept_ = compiled.offsets, compiled.kept
        self.n_ = np.array([len(column) for column in present], dtype=np.int64)
        self.missing_ = len(reference) - self.n_
        self.rows_ = len(reference)

    def _reference(self) -> SortedReference:
        return SortedReference(self.values_, self.cumulative_, self.offsets_, self.kept_)

    def create(self) -> State:
        return {"n": 0, "missing": [], **empty_codes()}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        for name in self.columns_:
            if column_of(batch, name, "ks").kind != "numeric":
                raise ValueError(f"ks: column {name!r} is {batch.inputs[name].kind}; allowed: numeric")
        reference = self._reference()
        codes, missing = reference.codes(stack(batch, self.columns_))
        return {
            "n": state["n"] + len(batch),
            "missing": _plus(state["missing"], missing.tolist()),
            **add_codes(state, codes, reference.size),
        }

    def merge(self, left: State, right: State) -> State:
        return {
            "n": left["n"] + right["n"],
            "missing": _plus(left["missing"], right["missing"]),
            **merge_codes(left, right, self._reference().size),
        }

    def findings(self, state: State) -> Findings:
        missing = np.array(state["missing"] or [0] * len(self.columns_), dtype=np.int64)
        n = state["n"] - missing
        statistic, superiority = ks_statistics(self._reference(), state)
        p_values = ks_p_values(statistic, self.kept_, n)
        tests = [
            FeatureVerdict(name, "ks", d, p, d, int(self.n_[j]), int(n[j]), None)
            if self.kept_[j] and n[j]
            else FeatureVerdict(name, "ks", None, None, None, int(self.n_[j]), int(n[j]), None)
            for j, (name, d, p) in enumerate(zip(self.columns_, statistic.tolist(), p_values.tolist(), strict=True))
        ]
        tests += missing_tests(self.columns_, self.missing_, self.rows_, missing, state["n"])
        larger = {k: v for k, v in zip(self.columns_, superiority.tolist(), strict=True) if v == v}
        return Findings(tuple(tests), {"superiority": larger})


def ks_statistics(reference: SortedReference, state: State) -> tuple[Floats, Floats]:
    """(d,) sup |F_window - F_reference|, and (d,) P(window > reference) + P(equal) / 2; NaN for an empty sample.

    The supremum lies at a window value or just before one: between them F_window is constant.
    """
    codes, counts = code_counts(state, reference.size)
    first = np.searchsorted(codes, reference.code_starts)
    occurring = np.diff(first)
    total = np.concatenate([[0], np.cumsum(counts)])
    sizes = np.diff(total[first])
    n, m = np.repeat(reference.kept, occurring), np.repeat(sizes, occurring)
    start = np.repeat(reference.offsets[:-1], occurring)
    place = codes - np.repeat(reference.code_starts[:-1], occurring)
    fewer = place >> 1  # distinct reference values below, one more of them up to an odd place
    upto = fewer + (place & 1)
    padded = np.concatenate([[0], reference.cumulative])
    below, at = padded[start + fewer] * (fewer > 0), padded[start + upto] * (upto > 0)
    counted = total[1:] - np.repeat(total[first[:-1]], occurring)
    # Whole numbers, n m times the difference: nothing is rounded before the one division.
    gap = np.maximum(np.abs(counted * n - at * m), np.abs((counted - counts) * n - below * m))
    statistic, superiority = np.full(len(sizes), np.nan), np.full(len(sizes), np.nan)
    both = (sizes > 0) & (reference.kept > 0)
    # Columns without window values have no codes, so that the others' runs follow each other.
    if (filled := np.flatnonzero(sizes)).size:
        pairs = np.where(both, sizes * reference.kept, 1)[filled]
        statistic[filled] = np.maximum.reduceat(gap, first[filled]) / pairs
        superiority[filled] = np.add.reduceat(counts * (below + at), first[filled]) / (2.0 * pairs)
    statistic[~both] = superiority[~both] = np.nan
    return statistic, superiority


def _plus(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)] if left and right else left or right
