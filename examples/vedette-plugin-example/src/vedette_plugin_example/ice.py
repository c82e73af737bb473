"""Individual conditional expectation: the output as one feature runs through its range."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette_specs import (
    Ask,
    Batch,
    BudgetExhausted,
    ExplainContext,
    Explainer,
    Explanation,
    Floats,
    Steps,
    Tags,
    numeric,
)


class Ice(Explainer):
    """One curve per numeric feature, one ask per feature: at a deadline the curves that are there are returned.

    points: values of the feature, quantiles of the reference.
    Data: `curves` {feature: {"grid": [points], "outputs": {output: [points]}}}.
    Source: Goldstein, Kapelner, Bleich, Pitkin, "Peeking inside the black box" (2015).
    """

    tags = Tags(modalities=("numeric", "category"))

    def __init__(self, points: int = 11) -> None:
        if points < 2:
            raise ValueError(f"points: {points} is less than 2")
        self.points = points

    def fit_batch(self, reference: Batch) -> None:
        levels = np.linspace(0.02, 0.98, self.points)
        columns = {name: column.values for name, column in reference.inputs.items() if column.kind == "numeric"}
        finite = {name: values[np.isfinite(values)] for name, values in columns.items()}
        self.grids_ = {name: np.quantile(values, levels) for name, values in finite.items() if len(values)}

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        self.check_fitted()
        affordable = ctx.max_rows // max(1, len(rows) * self.points)
        names = [name for name in self.grids_ if name in rows.inputs][:affordable] if len(rows) else []
        answers: dict[str, Floats] = {}
        try:
            for name in names:
                answers[name] = yield Ask(self._varied(rows, name), ctx.target)
        except BudgetExhausted:
            pass  # the curves so far are the answer
        return [self._explanation(i, answers, ctx) for i in range(len(rows))]

    def _varied(self, rows: Batch, name: str) -> Batch:
        many = rows.repeat(self.points)
        return many.with_inputs(**{name: numeric(np.tile(self.grids_[name], len(rows)))})

    def _explanation(self, i: int, answers: dict[str, Floats], ctx: ExplainContext) -> Explanation:
        curves: dict[str, Any] = {}
        for name, outputs in answers.items():
            mine = outputs[i * self.points : (i + 1) * self.points]
            labels = ctx.outputs or tuple(str(k) for k in range(mine.shape[1]))
            table = {label: mine[:, k].tolist() for k, label in enumerate(labels)}
            curves[name] = {"grid": self.grids_[name].tolist(), "outputs": table}
        return Explanation("Ice", {"curves": curves}, {"points": self.points})
