"""CUSUM on the share of rows above the reference's medians."""

from __future__ import annotations

import math

import numpy as np

from vedette_specs import Batch, ChangeDetector, Folded, Memory, Result, State, Tags, Tick


class MyComponent(ChangeDetector):
    """Adds up, per numeric column, by how much a tick's |z| exceeds `allowance`; alarms above `threshold`.

    z is the standardised number of rows above the reference's median.
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, allowance: float = 2.0, threshold: float = 10.0) -> None:
        if threshold <= 0:
            raise ValueError(f"threshold: {threshold} is not positive")
        self.allowance = allowance
        self.threshold = threshold

    def fit_batch(self, reference: Batch) -> None:
        columns = {name: column.values for name, column in reference.inputs.items() if column.kind == "numeric"}
        known = {name: values[~np.isnan(values)] for name, values in columns.items()}
        self.medians_ = {name: float(np.median(values)) for name, values in known.items() if len(values)}
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

    def start(self) -> Memory:
        self.check_fitted()
        return {"sums": dict.fromkeys(self.medians_, 0.0)}

    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        sums = {}
        for name, n, above in zip(self.medians_, state["n"].tolist(), state["above"].tolist(), strict=True):
            z = abs(2 * above - n) / math.sqrt(n) if n else self.allowance
            sums[name] = max(0.0, memory["sums"][name] + z - self.allowance)
        worst = max(sums, key=lambda name: sums[name])
        alarm = sums[worst] > self.threshold
        details = {"feature": worst if alarm else None}
        result = Result({"alarm": float(alarm), "sum": sums}, state["rows"], details=details)
        return Folded({"sums": sums}, result, {"sum": sums[worst]})
