"""Agreement of labels and predictions beyond chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from vedette.components.metrics._confusion import ConfusionMetric, Sums
from vedette.components.metrics._labels import Codes
from vedette_specs import Floats, Mask, Result, ResultContext, State, Tags
from vedette_specs.results import Value

Disagreement = Literal["equal", "linear", "quadratic"]


class Kappa(ConfusionMetric):
    """Cohen's kappa, ``1 - observed disagreement / disagreement by chance``, at most 1; 0 is chance.

    disagreement: `equal`, all errors count the same; `linear` or `quadratic`, an error counts its distance in the order
    of `schema.classes`, or the square of it.  weight: input column or attribute that weighs the rows.
    Not known where chance alone would not disagree (one class only). Rows whose label or prediction is missing are left
    out and counted in `details.left_out`; one that is none of the classes has no distance, so unless errors count the
    same, its row is left out too, and counted in `details.unknown_class`.
    Source: Cohen, "Weighted kappa" (Psychological Bulletin 1968).
    """

    name = "kappa"
    tags = Tags(needs_labels=True)

    def __init__(self, disagreement: Disagreement = "equal", weight: str | None = None) -> None:
        self.disagreement = disagreement
        self.weight = weight

    def sums(self, truth: Codes, answer: Codes, weights: Floats | None, k: int) -> Sums:
        if self.disagreement == "equal":
            return super().sums(truth, answer, weights, k)
        known: Mask = (truth < k) & (answer < k)
        truth, answer = truth[known], answer[known]
        weights = None if weights is None else weights[known]
        apart = self._distance(truth, answer)
        total = apart.sum() if weights is None else (apart * weights).sum()
        return {**super().sums(truth, answer, weights, k), "apart": np.array([total])}

    def _distance(self, left: Any, right: Any) -> Floats:
        apart = np.abs(np.asarray(left, dtype=np.float64) - right)
        return np.asarray(apart if self.disagreement == "linear" else apart**2)

    def result(self, state: State, ctx: ResultContext) -> Result:
        found = super().result(state, ctx)
        return found if self.disagreement == "equal" else replace(found, n=found.n - state["unknown_class"])

    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        return {self.name: self._kappa(state)}, {}

    def _kappa(self, state: State) -> float | None:
        sums = state["sums"]
        total = float(sums["labelled"].sum()) if sums else 0.0
        if total == 0.0:
            return None
        labelled, answered = sums["labelled"] / total, sums["answered"] / total
        if self.disagreement == "equal":
            observed = 1.0 - float(sums["right"].sum()) / total
            by_chance = 1.0 - float(labelled[:-1] @ answered[:-1])  # undeclared ones never agree
            one_class = max(np.count_nonzero(labelled), np.count_nonzero(answered)) == 1
            sure = one_class and bool((labelled * answered)[:-1].any())
        else:
            k = len(labelled) - 1
            observed = float(sums["apart"][0]) / total
            by_chance = float(labelled[:k] @ self._distance(np.arange(k)[:, None], np.arange(k)) @ answered[:k])
            sure = by_chance == 0.0
        return None if sure or by_chance <= 0.0 else 1.0 - observed / by_chance
