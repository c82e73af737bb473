"""Quality of rankings: the rows of a request, ordered by the model's score."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._labels import check_classes, class_probabilities
from vedette.components.metrics._regression import truth_and_answer
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, Schema, State, Tags

Gain = Literal["linear", "exponential"]


class Ndcg(Metric):
    """Mean over requests of DCG@k / ideal DCG@k, in [0, 1]; 1 is the best order.

    The rows of one request id are a ranking. Regression: the label is the relevance (0 or more), the prediction the
    score. Two classes: the positive label has relevance 1, the probability of the positive class is the score.
    k: how many places count; None, all.  gain: `linear`, the relevance, or `exponential`, 2^relevance - 1.
    Equal scores share the discounts of their places (McSherry, Najork 2008), as in scikit-learn.

    A ranking is judged by the rows that come together: those of a request that are in one batch, tick and segment, and
    whose labels come in one feedback. Send the labels of a request together.
    Left out and counted in the details: rows without label, score or request id, or with a negative relevance
    (`left_out`); requests of one row, which have only one order (`single`), and requests without any relevant row, for
    which no order is better than another (`without_relevance`; scikit-learn counts them as 0).
    Source: Jarvelin, Kekalainen, "Cumulated gain-based evaluation of IR techniques" (TOIS 2002).
    """

    tags = Tags(needs_labels=True)

    def __init__(self, k: int | None = None, gain: Gain = "linear") -> None:
        if k is not None and k < 1:
            raise ValueError(f"ndcg: k is {k}; allowed: 1 or more, or null for all places")
        self.k = k
        self.gain = gain

    def bind(self, schema: Schema) -> Ndcg:
        if schema.task == "multiclass":
            raise ValueError("ndcg: schema.task is 'multiclass'; allowed: regression, binary")
        super().bind(schema)
        return self

    def create(self) -> State:
        return {"total": 0.0, "requests": 0, "n": 0, "left_out": 0, "single": 0, "without_relevance": 0}

    def add(self, state: State, batch: Batch) -> State:
        relevance, score = _ranked(batch)
        with np.errstate(over="ignore", invalid="ignore"):
            gains = relevance if self.gain == "linear" else np.exp2(relevance) - 1.0
        known = np.isfinite(gains) & np.isfinite(score) & (gains >= 0.0)
        if batch.ids is None:
            known[:] = False
        rows = int(np.count_nonzero(known))
        part = {**self.create(), "left_out": len(batch) - rows}
        if rows and batch.ids is not None:
            ids = batch.ids[known].astype(str)
            _, group, sizes = np.unique(ids, return_inverse=True, return_counts=True)
            part |= self._judged(gains[known], score[known], group, sizes)
        return self.merge(state, part)

    def _judged(self, gains: Floats, score: Floats, group: NDArray[np.intp], sizes: NDArray[np.intp]) -> State:
        """What requests add; group: (n,) number of a row's request.  sizes: (requests,) rows of each."""
        with np.errstate(over="ignore", invalid="ignore"):
            got = _dcg(gains, score, group, sizes, self.k)
            ideal = _dcg(gains, gains, group, sizes, self.k)
        several = sizes > 1
        judged = several & (ideal > 0.0) & np.isfinite(ideal)
        return {
            "total": float((got[judged] / ideal[judged]).sum()),
            "requests": int(np.count_nonzero(judged)),
            "n": int(sizes[judged].sum()),
            "single": int(np.count_nonzero(~several)),
            "without_relevance": int(np.count_nonzero(several & ~judged)),
        }

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        requests = state["requests"]
        details = {key: state[key] for key in ("requests", "left_out", "single", "without_relevance")}
        value = state["total"] / requests if requests else None
        return Result({"ndcg": value}, state["n"], "ok" if requests else "insufficient", details)


def _ranked(batch: Batch) -> tuple[Floats, Floats]:
    """((n,) relevance, (n,) score), NaN where not known."""
    schema = batch.schema
    if not schema.classes:
        return truth_and_answer(batch)
    check_classes(schema, "ndcg")
    n = len(batch)
    if batch.labels is None:
        return np.full(n, np.nan), np.full(n, np.nan)
    c = schema.positive_index
    codes = batch.labels.codes(schema.classes)
    relevance = np.where((codes >= 0) & (codes < len(schema.classes)), codes == c, np.nan)
    return relevance, class_probabilities(batch, "ndcg")[:, c]


def _dcg(gains: Floats, score: Floats, group: NDArray[np.intp], sizes: NDArray[np.intp], k: int | None) -> Floats:
    """(requests,) sums of gain / log2(1 + place); rows of equal score have the mean discount of their places."""
    order = np.lexsort((-score, group))
    gains, score, group = gains[order], score[order], group[order]
    place = np.arange(len(group)) - (np.cumsum(sizes) - sizes)[group]
    discount = 1.0 / np.log2(place + 2.0)
    if k is not None:
        discount[place >= k] = 0.0
    first = np.ones(len(group), dtype=bool)
    first[1:] = (group[1:] != group[:-1]) | (score[1:] != score[:-1])
    tie = np.cumsum(first) - 1
    shared = (np.bincount(tie, discount) / np.bincount(tie))[tie]
    return np.bincount(group, gains * shared, len(sizes)).astype(np.float64)
