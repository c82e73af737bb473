"""What the prediction would be with one feature at its typical value."""

from __future__ import annotations

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
    concat,
    make_column,
)


class MyComponent(Explainer):
    """Occlusion: how much each output falls when a feature takes the value of a typical reference row.

    Data: `importance` {output: {feature: number}}. One ask; features beyond `max_rows` are left out.
    """

    def fit_batch(self, reference: Batch) -> None:
        numeric = reference.matrix()
        center = np.nanmedian(numeric, axis=0) if numeric.shape[1] else np.zeros(0)
        gap = np.abs(np.nan_to_num(numeric, nan=np.inf) - center).sum(axis=1)
        self.typical_ = reference.take([int(np.argmin(gap))]).to_records()[0]

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        self.check_fitted()
        features = [name for name in self.typical_ if name in rows.inputs][
            : max(0, ctx.max_rows // max(len(rows), 1) - 1)
        ]
        answers: Floats | None = None
        if len(rows) and features:
            try:
                answers = yield Ask(concat([rows, *(self._occluded(rows, name) for name in features)]), ctx.target)
            except BudgetExhausted:
                answers = None
        return [self._explanation(i, len(rows), features, answers, ctx) for i in range(len(rows))]

    def _occluded(self, rows: Batch, name: str) -> Batch:
        column = make_column(rows.inputs[name].kind, [self.typical_[name]] * len(rows))
        return rows.with_inputs(**{name: column})

    def _explanation(
        self, i: int, n: int, features: list[str], answers: Floats | None, ctx: ExplainContext
    ) -> Explanation:
        importance: dict[str, dict[str, float]] = {}
        if answers is not None:
            falls = answers[i] - answers[n + i :: n][: len(features)]
            outputs = ctx.outputs or tuple(f"output {k}" for k in range(answers.shape[1]))
            importance = {
                output: dict(zip(features, falls[:, k].tolist(), strict=True)) for k, output in enumerate(outputs)
            }
        return Explanation("MyComponent", {"importance": importance}, {"rows": n * (len(features) + 1)})
