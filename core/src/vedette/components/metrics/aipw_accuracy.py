"""Accuracy of all rows where labels come for some of them, and not for any of them alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.components.metrics._aipw import Points, Weighed, weigh
from vedette.components.metrics._cells import COUNTS, blank, count_cells, group_names, merge_cells, no_cells
from vedette.components.metrics._labels import check_classes, class_codes, class_probabilities, predicted
from vedette.components.metrics._weights import find_column
from vedette_specs import Batch, Floats, Result, ResultContext, Schema, State, Tags, TwoStepMetric

_EDGE = 1e-9


class AipwAccuracy(TwoStepMetric):
    """Share of all rows that were predicted right, labelled or not, in [0, 1].

    Labels that come where the model was unsure, or for one kind of rows, give an accuracy of those rows only
    (`labelled_accuracy`). `aipw_accuracy` weighs each label by how likely one was (logistic regression on the
    probability of the predicted class, that class, and `columns`), and takes what is expected of rows without one from
    the model's probabilities, corrected by the labels. It is right if either of both is (doubly robust).
    columns: category columns or attributes that labelling depends on.  bins: of the logit of the probability.
    max_groups: groups of the columns' values that are told apart; others, by a hash of their names, count together.
    Assumes that whether a row is labelled depends on these alone, not on what the label will be.
    Rows without probabilities or prediction are left out and counted.
    details: `standard_error`, `interval` (95 %), `coverage`, `unsupported` (share of the rows in cells without any
    label: what is said of them rests on the model's probabilities), `effective_labels`.
    Source: Robins, Rotnitzky, Zhao, "Estimation of regression coefficients when some regressors are not always
    observed", JASA 89 (1994).
    """

    tags = Tags(needs_labels=True, needs_probabilities=True)

    def __init__(self, columns: list[str] | None = None, bins: int = 32, max_groups: int = 20) -> None:
        for name, given, least, most in (("bins", bins, 4, 256), ("max_groups", max_groups, 1, 200)):
            if not least <= given <= most:
                raise ValueError(f"aipw_accuracy: {name} is {given}; allowed: {least} to {most}")
        self.columns = columns
        self.bins = bins
        self.max_groups = max_groups

    def kept_columns(self) -> tuple[str, ...]:
        return tuple(self.columns or ())

    def bind(self, schema: Schema) -> AipwAccuracy:
        check_classes(schema, "aipw_accuracy")
        super().bind(schema)
        return self

    def create(self) -> State:
        return {"cells": no_cells(len(self.schema.classes), self.bins), "left_out": 0}

    def add_predicted(self, state: State, batch: Batch) -> State:
        part, known = self._part(batch, {"rows": "rows", "logits": "logits"})
        return self.merge(state, {"cells": part, "left_out": len(batch) - known})

    def add_labelled(self, state: State, batch: Batch) -> State:
        part, _ = self._part(batch, {"labelled": "rows", "labelled_logits": "logits", "right": "right"})
        return self.merge(state, {"cells": part, "left_out": 0})

    def without_labels(self, state: State) -> State:
        empty = {name: np.zeros_like(state["cells"][name]) for name in ("labelled", "right", "labelled_logits")}
        return {**state, "cells": {**state["cells"], **empty}}

    def merge(self, left: State, right: State) -> State:
        cells = merge_cells(left["cells"], right["cells"], self.max_groups)
        return {"cells": cells, "left_out": left["left_out"] + right["left_out"]}

    def _part(self, batch: Batch, counts: Mapping[str, str]) -> tuple[State, int]:
        """(cells of these rows, rows that have a cell). counts: what is filled in -> what is counted."""
        schema = batch.schema
        p = class_probabilities(batch, "aipw_accuracy")
        n, k = p.shape
        codes = class_codes(predicted(batch), schema.classes, n)
        answered = np.take_along_axis(p, np.clip(codes, 0, k - 1)[:, None], axis=1)[:, 0]
        mine = np.where((codes >= 0) & (codes < k), answered, np.nan)
        known = np.flatnonzero(np.isfinite(mine))
        chance = np.clip(mine[known], _EDGE, 1.0 - _EDGE)
        logits = np.log(chance) - np.log1p(-chance)
        groups = self._groups(batch.take(known))
        names, cells = count_cells(groups, codes[known], logits, k, self.bins, self.max_groups)
        shape = (len(names) + 1, k, self.bins)
        right = class_codes(batch.labels, schema.classes, n)[known] == codes[known]
        counted = {
            "rows": np.bincount(cells, minlength=int(np.prod(shape))),
            "logits": np.bincount(cells, logits, int(np.prod(shape))),
            "right": np.bincount(cells[right], minlength=int(np.prod(shape))),
        }
        made = {name: counted[of].reshape(shape) for name, of in counts.items()}
        return {"groups": names, **blank(shape), **made}, len(known)

    def _groups(self, batch: Batch) -> Any:
        found = []
        for name in self.columns or ():
            column = find_column(batch, name)
            texts = np.full(len(batch), None, dtype=object) if column is None else column.strings()
            found.append((name, texts))
        return group_names(found, len(batch))

    def result(self, state: State, ctx: ResultContext) -> Result:
        cells = state["cells"]
        rows, labelled, right = (cells[name].astype(np.float64) for name in COUNTS)
        rows = np.maximum(rows, labelled)  # labels may be told before all replicas have told their rows
        n = int(labelled.sum())
        details: dict[str, Any] = {"left_out": state["left_out"], "rows": int(rows.sum())}
        if not n:
            return Result({"aipw_accuracy": None, "labelled_accuracy": None}, 0, "insufficient", details)
        found = self._weighed(cells, rows, labelled, right)
        values = {
            "aipw_accuracy": float(np.clip(found.estimate, 0.0, 1.0)),
            "labelled_accuracy": float(right.sum() / n),
        }
        return Result(values, n, "ok", {**details, **_details(found, rows, labelled)})

    def _weighed(self, cells: State, rows: Floats, labelled: Floats, right: Floats) -> Weighed:
        held = np.nonzero(rows)
        kinds = _kinds(held)
        told, n, m = cells["rows"][held], rows[held], labelled[held]
        logits, of_labelled = cells["logits"][held], cells["labelled_logits"][held]
        logits = np.where(told >= m, logits, of_labelled)  # of rows that are still to be told
        whole, some = Points(_mean(logits, n), kinds), Points(_mean(of_labelled, m), kinds)
        others = Points(_mean(logits - of_labelled, n - m), kinds)
        return weigh(whole, some, others, n, m, right[held])


def _mean(total: Floats, count: Floats) -> Floats:
    """0 where there is nothing."""
    return np.asarray(np.divide(total, count, out=np.zeros(len(count)), where=count > 0))


def _kinds(held: tuple[Any, ...]) -> Floats:
    """(m, d) 1 where a point is of that group or predicted class, of which there are two or more."""
    parts = [np.equal.outer(held[i], np.unique(held[i])) for i in (0, 1) if len(np.unique(held[i])) > 1]
    return np.column_stack([np.zeros((len(held[0]), 0)), *parts]).astype(np.float64)


def _details(found: Weighed, rows: Floats, labelled: Floats) -> dict[str, Any]:
    from scipy.special import stdtrit

    reach = float(stdtrit(max(found.effective - 1.0, 1.0), 0.975)) * found.standard_error  # Student's t
    return {
        "standard_error": found.standard_error,
        "interval": [max(0.0, found.estimate - reach), min(1.0, found.estimate + reach)],
        "coverage": float(labelled.sum() / rows.sum()),
        "unsupported": float(rows[labelled == 0].sum() / rows.sum()),
        "effective_labels": found.effective,
    }
