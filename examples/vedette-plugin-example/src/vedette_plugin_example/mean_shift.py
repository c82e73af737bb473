"""Do the means of numeric columns differ from the reference's?"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from vedette_specs import Batch, DriftDetector, FeatureVerdict, ResultContext, State, Tags, Verdict
from vedette_specs.decisions import adjust

MIN_ROWS = 30  # the normal law of the statistic needs some
CLIP = 1e6  # in reference standard deviations: infinities count as far away


class MeanShift(DriftDetector):
    """Welch's test per numeric column with the normal law, corrected over the columns.

    alpha: level of the whole test.
    correction: bonferroni, bh or by.
    Effect size: difference of the means in reference standard deviations.
    Source: Welch, "The generalization of Student's problem" (1947).
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, alpha: float = 0.05, correction: Literal["bonferroni", "bh", "by"] = "bh") -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha: {alpha} is not in (0, 1)")
        self.alpha = alpha
        self.correction = correction

    def fit_batch(self, reference: Batch) -> None:
        columns = {name: column.values for name, column in reference.inputs.items() if column.kind == "numeric"}
        finite = {name: values[np.isfinite(values)] for name, values in columns.items()}
        known = {name: values for name, values in finite.items() if len(values) > 1}
        if not known:
            raise ValueError(f"MeanShift needs a numeric input; there are {list(reference.inputs)}")
        self.columns_ = list(known)
        self.sizes_ = np.array([len(values) for values in known.values()])
        self.means_ = np.array([values.mean() for values in known.values()])
        spread = np.array([values.std(ddof=1) for values in known.values()])
        self.spread_ = np.where(spread > 0, spread, 1.0)

    def create(self) -> State:
        zero = np.zeros(len(self.columns_))
        return {"rows": 0, "n": zero, "sum": zero, "squares": zero}

    def add(self, state: State, batch: Batch) -> State:
        z = np.clip((batch.matrix(self.columns_) - self.means_) / self.spread_, -CLIP, CLIP)
        z0 = np.nan_to_num(z)
        part = {"rows": len(batch), "n": (~np.isnan(z)).sum(axis=0), "sum": z0.sum(axis=0)}
        return self.merge(state, {**part, "squares": (z0 * z0).sum(axis=0)})

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Verdict:
        n = np.maximum(state["n"], 1)
        effect = state["sum"] / n
        variance = np.maximum(state["squares"] / n - effect**2, 0.0)
        statistic = effect / np.sqrt(variance / n + 1.0 / self.sizes_)
        raw = [math.erfc(abs(t) / math.sqrt(2)) for t in statistic]
        p_values = adjust(np.where(state["n"] >= MIN_ROWS, raw, np.nan), self.correction)
        features = tuple(
            self._feature(i, float(p_values[i]), float(statistic[i]), float(effect[i]), int(state["n"][i]))
            for i in range(len(self.columns_))
        )
        least = min((f.p_value for f in features if f.p_value is not None), default=None)
        drifted = None if least is None else least <= self.alpha
        return Verdict.of(features, n=state["rows"], drifted=drifted, p_value=least, correction=self.correction)

    def _feature(self, i: int, p: float, statistic: float, effect: float, n: int) -> FeatureVerdict:
        known = not math.isnan(p)
        return FeatureVerdict(
            feature=self.columns_[i],
            test="welch",
            statistic=statistic if known else None,
            p_value=p if known else None,
            effect=effect if known else None,
            n_reference=int(self.sizes_[i]),
            n=n,
            drifted=p <= self.alpha if known else None,
        )
