"""Counts of labels against predictions, by class: the state of all metrics that a confusion matrix decides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._labels import Codes, check_classes, class_codes, predicted
from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Floats, Result, ResultContext, Schema, State
from vedette_specs.results import Value

Sums = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Margins:
    """Rows (or their weights) by class: (k,) each; `total` has those of undeclared classes too.

    labelled: with that label.  answered: with that prediction.  right: with both.
    """

    classes: Sequence[str]
    positive: int
    labelled: Floats
    answered: Floats
    right: Floats
    total: float

    def by_class(self, values: Floats) -> dict[str, float | None]:
        """class -> value, None where it is NaN: not defined."""
        return {c: None if v != v else float(v) for c, v in zip(self.classes, values.tolist(), strict=True)}


class ConfusionMetric(Weighted):
    """Counts per class of `schema.classes`, in space for these classes only, exactly mergeable.

    A label or prediction that is none of the classes counts as a class of its own that never equals another one, and
    is counted in `details.unknown_class`; rows whose label or prediction is missing are left out and counted.
    """

    name: ClassVar[str]
    additive = ("sums",)

    def bind(self, schema: Schema) -> ConfusionMetric:
        check_classes(schema, self.name)
        super().bind(schema)
        return self

    def create(self) -> State:
        return {"classes": [], "sums": {}, "n": 0, "left_out": 0, "unknown_class": 0}

    def add(self, state: State, batch: Batch) -> State:
        classes = batch.schema.classes
        if not classes:
            raise ValueError(f"{self.name}: schema.classes is empty; name the classes that labels and predictions have")
        k, n = len(classes), len(batch)
        truth, answer = class_codes(batch.labels, classes, n), class_codes(predicted(batch), classes, n)
        known, weights = self.weighed(batch, (truth >= 0) & (answer >= 0))
        truth, answer = truth[known], answer[known]
        part = {
            "classes": list(classes),
            "sums": self.sums(truth, answer, weights, k),
            "n": len(truth),
            "left_out": n - len(truth),
            "unknown_class": int(np.count_nonzero((truth == k) | (answer == k))),
        }
        return self.merge(state, part)

    def sums(self, truth: Codes, answer: Codes, weights: Floats | None, k: int) -> Sums:
        """Arrays that are merged by adding them. Codes are below k, or k for an undeclared class."""
        right = (truth == answer) & (truth < k)
        return {
            "labelled": np.bincount(truth, weights, k + 1),
            "answered": np.bincount(answer, weights, k + 1),
            "right": np.bincount(truth[right], None if weights is None else weights[right], k + 1),
        }

    def merge(self, left: State, right: State) -> State:
        totals = {key: left[key] + right[key] for key in ("n", "left_out", "unknown_class")}
        if not left["classes"] or not right["classes"]:
            source = left if left["classes"] else right
            return {"classes": list(source["classes"]), "sums": dict(source["sums"]), **totals}
        if left["classes"] != right["classes"]:
            raise ValueError(f"{self.name}: states of different classes: {left['classes']} and {right['classes']}")
        sums = {key: left["sums"][key] + right["sums"][key] for key in left["sums"]}
        return {"classes": list(left["classes"]), "sums": sums, **totals}

    def margins(self, state: State) -> Margins:
        classes = state["classes"] or list(self.schema.classes)
        k = len(classes)
        zero = np.zeros(k + 1)
        labelled, answered, right = (
            np.asarray(state["sums"].get(key, zero), dtype=np.float64) for key in ("labelled", "answered", "right")
        )
        positive = classes.index(self.schema.positive) if self.schema.positive in classes else k - 1
        return Margins(classes, positive, labelled[:k], answered[:k], right[:k], float(labelled.sum()))

    def rows_of_weight(self, state: State) -> float:
        """How many rows a weight of 1 stands for; 0 without rows."""
        total = self.margins(state).total
        return state["n"] / total if total > 0.0 else 0.0

    def result(self, state: State, ctx: ResultContext) -> Result:
        values, details = self.answer(state)
        known = any(value is not None for value in values.values())
        details |= {key: state[key] for key in ("left_out", "unknown_class")}
        return Result(values, state["n"], "ok" if known and state["n"] else "insufficient", details)

    @abstractmethod
    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        """(the named values, further details)."""


def ratios(top: Floats, bottom: Floats) -> Floats:
    """Quotients; NaN, not 0, where there is nothing to divide by."""
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0.0))


def rows_of_mean(rows: Floats, weights: Floats | None = None) -> float:
    """Of how many rows one share has the variance that the (weighted) mean of shares of `rows` (k,) rows has."""
    known = rows > 0.0
    parts = known.astype(np.float64) if weights is None else np.where(known, weights, 0.0)
    total = float(parts.sum())
    return total**2 / float((parts[known] ** 2 / rows[known]).sum()) if total > 0.0 else 0.0


def mean_of_known(values: Floats, weights: Floats | None = None) -> float | None:
    """Mean of what is not NaN; None where nothing is left, or nothing that weighs."""
    known = ~np.isnan(values)
    shares = known.astype(np.float64) if weights is None else np.where(known, weights, 0.0)
    total = float(shares.sum())
    return float((np.where(known, values, 0.0) * shares).sum() / total) if total > 0.0 else None
