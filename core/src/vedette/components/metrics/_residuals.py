"""Moments of labels and residuals, for the share of the labels' variance that is explained."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from vedette.components.metrics._exact import two_sum
from vedette.components.metrics._means import known_number
from vedette.components.metrics._regression import check_numbers, truth_and_answer
from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Result, ResultContext, Schema, State


class ExplainedMetric(Weighted):
    """1 - (what is left) / (spread of the labels), from weight, means and central second moments.

    Moments are merged by ``d = mB - mA; m = mA + d wB / w; M2 = M2A + M2B + d^2 wA wB / w``, which is stable; means are
    kept in two floats (`mean` + `rest`), so that labels far from zero lose no digits however often they are merged.
    Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    name: ClassVar[str]
    additive = ("weight", "m2")

    @abstractmethod
    def unexplained(self, state: State) -> float:
        """What is left of the spread, in the units of `m2[0]`."""

    def bind(self, schema: Schema) -> ExplainedMetric:
        check_numbers(schema, self.name)
        super().bind(schema)
        return self

    def create(self) -> State:
        """mean, rest, m2: (2,) of labels and residuals; rest: what the mean lacks.  low, high: of the labels."""
        moments = {"mean": np.zeros(2), "rest": np.zeros(2), "m2": np.zeros(2)}
        return {"n": 0, "left_out": 0, "weight": 0.0, **moments, "low": np.inf, "high": -np.inf}

    def add(self, state: State, batch: Batch) -> State:
        with np.errstate(over="ignore", invalid="ignore"):  # numbers past 1.8e308 give a result that is not known
            return self.merge(state, self._part(batch))

    def _part(self, batch: Batch) -> State:
        truth, answer = truth_and_answer(batch)
        known, weights = self.weighed(batch, ~np.isnan(truth))
        n = int(np.count_nonzero(known))
        part = {**self.create(), "n": n, "left_out": len(batch) - n}
        w = np.ones(n) if weights is None else weights
        total = float(w.sum())
        if total == 0.0:
            return part
        pair = np.stack([truth[known], truth[known] - answer[known]])
        mean = (pair * w).sum(axis=1) / total
        off = pair - mean[:, None]
        rest = (off * w).sum(axis=1) / total
        m2 = np.maximum((w * off**2).sum(axis=1) - total * rest**2, 0.0)
        seen = pair[0][w > 0.0]
        ends = {"low": float(seen.min()), "high": float(seen.max())}
        return {**part, **ends, "weight": total, "mean": mean, "rest": rest, "m2": m2}

    def merge(self, left: State, right: State) -> State:
        counts = {key: left[key] + right[key] for key in ("n", "left_out", "weight")}
        ends = {"low": min(left["low"], right["low"]), "high": max(left["high"], right["high"])}
        if not left["weight"] or not right["weight"]:
            source = left if left["weight"] else right
            return {**counts, **ends, **{key: source[key].copy() for key in ("mean", "rest", "m2")}}
        with np.errstate(over="ignore", invalid="ignore"):
            share = right["weight"] / counts["weight"]
            apart = (right["mean"] - left["mean"]) + (right["rest"] - left["rest"])
            m2 = left["m2"] + right["m2"] + apart**2 * (left["weight"] * share)
            mean, rest = two_sum(left["mean"], left["rest"] + apart * share)
            return {**counts, **ends, "mean": mean, "rest": rest, "m2": m2}

    def result(self, state: State, ctx: ResultContext) -> Result:
        value = None
        if state["high"] > state["low"] and state["m2"][0] > 0.0:
            with np.errstate(over="ignore", invalid="ignore"):
                value = known_number(float(1.0 - self.unexplained(state) / state["m2"][0]))
        details = {"left_out": state["left_out"]}
        return Result({self.name: value}, state["n"], "insufficient" if value is None else "ok", details)
