"""Width of the range of numeric columns."""

from __future__ import annotations

import numpy as np

from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags


class MyComponent(Metric):
    """Largest minus smallest finite value per numeric column: value `width`.

    columns: numeric input columns; all of them when None.
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    def create(self) -> State:
        return {"n": 0, "low": {}, "high": {}}

    def add(self, state: State, batch: Batch) -> State:
        names = self.columns or [name for name, column in batch.inputs.items() if column.kind == "numeric"]
        finite = {name: values[np.isfinite(values)] for name in names for values in [batch.inputs[name].values]}
        seen = {name: values for name, values in finite.items() if len(values)}
        low = {name: float(values.min()) for name, values in seen.items()}
        high = {name: float(values.max()) for name, values in seen.items()}
        return self.merge(state, {"n": len(batch), "low": low, "high": high})

    def merge(self, left: State, right: State) -> State:
        names = left["low"].keys() | right["low"].keys()
        low = {k: min(part["low"][k] for part in (left, right) if k in part["low"]) for k in names}
        high = {k: max(part["high"][k] for part in (left, right) if k in part["high"]) for k in names}
        return {"n": left["n"] + right["n"], "low": low, "high": high}

    def result(self, state: State, ctx: ResultContext) -> Result:
        if not state["low"]:
            return Result({"width": None}, state["n"], "insufficient")
        return Result({"width": {k: state["high"][k] - state["low"][k] for k in sorted(state["low"])}}, state["n"])
