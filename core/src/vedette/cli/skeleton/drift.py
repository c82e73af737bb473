"""Sign test of numeric columns against the reference's medians."""

from __future__ import annotations

import math

import numpy as np

from vedette_specs import Batch, DriftDetector, FeatureVerdict, ResultContext, State, Tags, Verdict
from vedette_specs.decisions import adjust

MIN_ROWS = 20


class MyComponent(DriftDetector):
    """Is half of the window above the reference's median? A normal approximation of the sign test per column.

    alpha: level of the whole test; columns are corrected by Bonferroni.
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha: {alpha} is not in (0, 1)")
        self.alpha = alpha

    def fit_batch(self, reference: Batch) -> None:
        columns = {name: column.values for name, column in reference.inputs.items() if column.kind == "numeric"}
        known = {name: values[~np.isnan(values)] for name, values in columns.items()}
        self.medians_ = {name: float(np.median(values)) for name, values in known.items() if len(values)}
        self.sizes_ = {name: len(known[name]) for name in self.medians_}
        if not self.medians_:
            raise ValueError(f"MyComponent needs a numeric input; there are {list(reference.inputs)}")

    def create(self) -> State:
        return {"rows": 0, "n": np.zeros(len(self.medians_)), "above": np.zeros(len(self.medians_))}

    def add(self, state: State, batch: Batch) -> State:
        values = batch.matrix(list(self.medians_))
        above = (values > list(self.medians_.values())).sum(axis=0)
        return self.merge(state, {"rows": len(batch), "n": (~np.isnan(values)).sum(axis=0), "above": above})

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Verdict:
        p_values = adjust(np.array([_p(n, above) for n, above in self._counts(state)]), "bonferroni")
        features = tuple(
            self._feature(name, float(p), int(n), above / max(n, 1.0) - 0.5)
            for name, p, (n, above) in zip(self.medians_, p_values, self._counts(state), strict=True)
        )
        known = [feature.p_value for feature in features if feature.p_value is not None]
        least = min(known, default=None)
        drifted = None if least is None else least <= self.alpha
        return Verdict.of(features, n=state["rows"], drifted=drifted, p_value=least, correction="bonferroni")

    def _counts(self, state: State) -> list[tuple[float, float]]:
        return list(zip(state["n"].tolist(), state["above"].tolist(), strict=True))

    def _feature(self, name: str, p: float, n: int, effect: float) -> FeatureVerdict:
        known = not math.isnan(p)
        return FeatureVerdict(
            feature=name,
            test="sign",
            statistic=effect + 0.5 if known else None,
            p_value=p if known else None,
            effect=effect if known else None,
            n_reference=self.sizes_[name],
            n=n,
            drifted=p <= self.alpha if known else None,
        )


def _p(n: float, above: float) -> float:
    """Two-sided; NaN where there are too few rows."""
    if n < MIN_ROWS:
        return math.nan
    return math.erfc(abs(2 * above - n) / math.sqrt(2 * n))
