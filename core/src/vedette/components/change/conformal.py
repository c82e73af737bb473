"""Sequential change detection with a promise about false alarms: conformal Shiryaev-Roberts."""

from __future__ import annotations

import math
import re
from typing import ClassVar

import numpy as np

from vedette.components.change.betting import BETS, fold_rows
from vedette.components.change.binning import Binning, Bins, Counts, frequent_categories, quantile_edges
from vedette_specs import Batch, ChangeDetector, Floats, Folded, Memory, Result, State, Tags, Tick

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s+per\s+(\d[\d_]*)\s+rows?\s*", re.IGNORECASE)


def rows_between_false_alarms(rate: str | float) -> float:
    """A of ``"k per n rows"`` (n / k) or of a number (A itself); ValueError says what is allowed."""
    if isinstance(rate, str):
        found = _RATE.fullmatch(rate)
        if not found or float(found[1]) == 0:
            raise ValueError(f"false_alarms: {rate!r} is not of the form '1 per 100000 rows', nor a number of rows")
        rate = int(found[2]) / float(found[1])
    if not (math.isfinite(rate) and rate >= 1):
        raise ValueError(f"false_alarms: {rate!r} rows between false alarms; it takes at least 1")
    return float(rate)


class Conformal(ChangeDetector):
    """Alarms when the rows stop looking exchangeable with the reference, feature by feature.

    Every value is ranked among the reference and all rows before it (a smoothed conformal p-value), 18 bets
    against uniform p-values are run as Shiryaev-Roberts recursions, and a feature alarms when the mean of its 18
    reaches d * A (d features: a union bound). The guarantee, whatever the features' distribution is:

        P(false alarm within n rows) <= n / A,  and A rows at least between false alarms on average.

    Its null is exchangeability of reference and rows: daily cycles need a reference of the same phase.
    Rows of one tick are folded in a seeded random order; above `max_rows_per_tick` a seeded sample of them is, which
    keeps the guarantee. Rows after an alarm in the same tick are not folded: detection starts again with the next.

    Options:
        false_alarms: "1 per 100000 rows", or A as a number: mean rows between false alarms.
        columns: numeric and category inputs to watch; all of them when None.
        bins: bins a numeric column at most, missing values included.
        max_rows_per_tick: most rows folded of one tick.
        random_state: of the reference's split into rows that place the bins and rows that are counted.

    Result: values `alarm` (1 or 0), `log_evidence` per feature, `threshold` (log of d * A); details `feature` (that
    alarmed, or None), `row_of_alarm` (1-based, among the tick's folded rows), `rows_folded` and `rows_seen` since the
    start, `rows_in_tick`.

    Source: Vovk et al. (2022), ch. 8; Shin, Ramdas, Rinaldo, "E-detectors" (2024), for the average run length.
    """

    tags: ClassVar[Tags] = Tags(modalities=("numeric", "category"))

    def __init__(
        self,
        *,
        false_alarms: str | float = "1 per 100000 rows",
        columns: list[str] | None = None,
        bins: int = 256,
        max_rows_per_tick: int = 2000,
        random_state: int = 0,
    ) -> None:
        rows_between_false_alarms(false_alarms)
        if bins < 4:
            raise ValueError(f"bins: {bins} are too few; at least 4")
        if max_rows_per_tick < 1:
            raise ValueError(f"max_rows_per_tick: {max_rows_per_tick} is not positive")
        self.false_alarms = false_alarms
        self.columns = columns
        self.bins = bins
        self.max_rows_per_tick = max_rows_per_tick
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        if len(reference) < 4:
            raise ValueError(f"Conformal.fit: {len(reference)} reference rows are too few to split")
        order = np.random.default_rng(self.random_state).permutation(len(reference))
        # Bins must not depend on the rows that are counted (nor which categories exist): else ranks are not exact.
        # Where bins lie needs no precision, while more counted rows find smaller changes.
        split = min(len(reference) // 3, 4 * self.bins)
        placing, counted = reference.take(np.sort(order[:split])), reference.take(np.sort(order[split:]))
        self.columns_ = self._watched(reference)
        inputs = {name: placing.inputs[name] for name in self.columns_}
        self.edges_ = {k: quantile_edges(c.values, self.bins - 1) for k, c in inputs.items() if c.kind == "numeric"}
        self.categories_ = {k: frequent_categories(c, self.bins - 2) for k, c in inputs.items() if c.kind == "category"}
        self.reference_counts_: Counts = self._binning().counts(counted)
        self.reference_rows_ = len(counted)

    def create(self) -> State:
        return {"n": 0, "cells": np.empty(0, dtype=np.int64), "counts": np.empty(0, dtype=np.int64)}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        if len(batch) == 0:
            return state
        counts = self._binning().counts(batch)
        cells = np.flatnonzero(counts)
        return self.merge(state, {"n": len(batch), "cells": cells, "counts": counts[cells]})

    def merge(self, left: State, right: State) -> State:
        cells, place = np.unique(np.concatenate([left["cells"], right["cells"]]), return_inverse=True)
        counts = np.zeros(len(cells), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([left["counts"], right["counts"]]))
        return {"n": left["n"] + right["n"], "cells": cells, "counts": counts}

    def start(self) -> Memory:
        self.check_fitted()
        nothing = np.full((len(self.columns_), BETS), -np.inf)
        return {"counts": self.reference_counts_.copy(), "log_evidence": nothing, "rows_folded": 0, "rows_seen": 0}

    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        d = len(self.columns_)
        # The row count makes streams of ticks with one seed, as people fold by hand, draw anew each time.
        rng = np.random.default_rng((tick.seed, memory["rows_seen"]))
        bins = self._ordered(state, rng)
        threshold = d * rows_between_false_alarms(self.false_alarms)
        counts = memory["counts"].reshape(d, -1)
        run = fold_rows(counts, np.exp(memory["log_evidence"]), bins, rng.random(bins.shape), threshold)
        with np.errstate(divide="ignore"):
            log_evidence = np.log(run.evidence)
        after = {
            "counts": run.counts.ravel(),
            "log_evidence": log_evidence,
            "rows_folded": memory["rows_folded"] + run.rows,
            "rows_seen": memory["rows_seen"] + state["n"],
        }
        result = self._result(run.evidence.mean(axis=1), threshold, run.rows, run.alarm, after, state["n"])
        return Folded(after, result, {"log_evidence": float(np.log(max(run.evidence.mean(axis=1).max(), 1e-300)))})

    def _result(
        self, evidence: Floats, threshold: float, rows: int, alarm: int | None, memory: Memory, seen: int
    ) -> Result:
        known = {name: math.log(e) if e > 0 else None for name, e in zip(self.columns_, evidence.tolist(), strict=True)}
        return Result(
            values={"alarm": float(alarm is not None), "log_evidence": known, "threshold": math.log(threshold)},
            n=rows,
            details={
                "feature": None if alarm is None else self.columns_[alarm],
                "row_of_alarm": None if alarm is None else rows,
                "rows_in_tick": seen,
                "rows_folded": memory["rows_folded"],
                "rows_seen": memory["rows_seen"],
            },
        )

    def _ordered(self, state: State, rng: np.random.Generator) -> Bins:
        """(d, rows) the tick's bins in random order, at most `max_rows_per_tick` of them."""
        d, width = len(self.columns_), self._binning().width
        counts = np.zeros(d * width, dtype=np.int64)
        counts[state["cells"]] = state["counts"]
        by_column = counts.reshape(d, width)
        if state["n"] > self.max_rows_per_tick:
            size = self.max_rows_per_tick
            by_column = np.array([rng.multivariate_hypergeometric(c, size, method="marginals") for c in by_column])
        rows = int(by_column[0].sum())
        bins = np.repeat(np.tile(np.arange(width), d), by_column.ravel()).reshape(d, rows)
        return rng.permuted(bins, axis=1)

    def _watched(self, reference: Batch) -> list[str]:
        allowed = [name for name, column in reference.inputs.items() if column.kind in ("numeric", "category")]
        if wrong := [name for name in self.columns or [] if name not in allowed]:
            raise ValueError(f"columns: {wrong} are not numeric or category inputs; allowed: {allowed}")
        chosen = allowed if self.columns is None else self.columns
        if not chosen:
            raise ValueError(f"Conformal needs a numeric or category input; there are {list(reference.inputs)}")
        return list(chosen)

    def _binning(self) -> Binning:
        return Binning(self.columns_, self.edges_, self.categories_)
