"""How far probabilities are from the frequencies that they promise."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.components.metrics._labels import check_classes, scored_classes
from vedette.components.metrics._scores import check_bins
from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Floats, Mask, Result, ResultContext, Schema, State, Tags


class CalibrationError(Weighted):
    """Expected calibration error (ECE): mean over rows of |frequency - mean probability| of their bin, in [0, 1].

    Two classes: probability and frequency of the positive one; more: confidence in the likeliest class and how often it
    is right. `max_calibration_error` is the worst bin's. `details.curve` is the reliability curve: from, to, n,
    probability, frequency of each bin that has rows.
    bins: equal bins of [0, 1], the last with its right end.  weight: input column or attribute that weighs the rows.
    The value depends on the bins, and a perfect model with few rows does not have 0. Rows whose label or probabilities
    are missing, or whose label is none of `schema.classes`, are left out and counted.
    Source: Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015).
    """

    tags = Tags(needs_labels=True, needs_probabilities=True)
    additive = ("weight", "promised", "happened")

    def __init__(self, bins: int = 10, weight: str | None = None) -> None:
        self.bins = check_bins(bins, "calibration_error")
        self.weight = weight

    def bind(self, schema: Schema) -> CalibrationError:
        check_classes(schema, "calibration_error")
        super().bind(schema)
        return self

    def create(self) -> State:
        """rows, weight, promised (sum of probabilities), happened (weight of the class): (bins,) each."""
        zero = np.zeros(self.bins)
        return {"rows": zero.astype(np.int64), "weight": zero, "promised": zero, "happened": zero, "left_out": 0}

    def add(self, state: State, batch: Batch) -> State:
        codes, probabilities, known, _ = scored_classes(batch, "calibration_error")
        known, weights = self.weighed(batch, known)
        p, happened = _forecasts(batch.schema, probabilities[known], codes[known])
        w = np.ones(len(p)) if weights is None else weights
        place = np.minimum((np.clip(p, 0.0, 1.0) * self.bins).astype(np.intp), self.bins - 1)
        part = {
            "rows": np.bincount(place, minlength=self.bins),
            "weight": np.bincount(place, w, self.bins),
            "promised": np.bincount(place, w * p, self.bins),
            "happened": np.bincount(place, w * happened, self.bins),
            "left_out": len(batch) - len(p),
        }
        return self.merge(state, part)

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n = int(state["rows"].sum())
        total = float(state["weight"].sum())
        gaps = np.abs(state["happened"] - state["promised"])
        has = state["weight"] > 0.0
        details = {"left_out": state["left_out"], "curve": self._curve(state)}
        names = ("calibration_error", "max_calibration_error")
        if total == 0.0:
            return Result(dict.fromkeys(names), n, "insufficient", details)
        values = (float(gaps.sum()) / total, float((gaps[has] / state["weight"][has]).max()))
        return Result(dict(zip(names, values, strict=True)), n, "ok", details)

    def _curve(self, state: State) -> list[dict[str, Any]]:
        return [
            {
                "from": i / self.bins,
                "to": (i + 1) / self.bins,
                "n": int(state["rows"][i]),
                "probability": float(state["promised"][i] / state["weight"][i]),
                "frequency": float(state["happened"][i] / state["weight"][i]),
            }
            for i in np.flatnonzero(state["weight"] > 0.0).tolist()
        ]


def _forecasts(schema: Schema, probabilities: Floats, codes: Any) -> tuple[Floats, Mask]:
    """((n,) probabilities of what is foretold, (n,) whether it happened)."""
    if len(schema.classes) == 2:
        return probabilities[:, schema.positive_index], codes == schema.positive_index
    likeliest = probabilities.argmax(axis=1)
    return probabilities[np.arange(len(codes)), likeliest], codes == likeliest
