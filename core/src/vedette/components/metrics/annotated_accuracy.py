"""Accuracy where several annotators label, none of whom is always right."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.components.metrics._dawid_skene import Estimated, dawid_skene
from vedette.components.metrics._labels import check_classes, class_codes, predicted
from vedette.components.metrics._patterns import Codes, count_patterns, merge_patterns, no_patterns
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags

_MOST_CLASSES = 100
_SHOWN_CLASSES = 10  # of which confusion matrices are shown whole


class AnnotatedAccuracy(Metric):
    """Share of rows that the model predicts right, from labels of several fallible annotators, in [0, 1].

    The model is one more annotator: how often each of them takes which class for which is estimated from where they
    agree (Dawid, Skene), without believing any of them. `annotator_accuracy` has each annotator's own accuracy, and
    `agreement` the share of pairs of labels of a row that are equal.
    max_annotators, max_patterns: bounds of the state. Annotators who would go beyond are left out, by a hash of their
    names, the same ones in whatever order rows come; `details.annotators_left_out` says whether there are any.
    min_rows_with_two: with fewer rows that several annotators have labelled, values are shown but `insufficient`. What
    annotators get wrong shows in such rows only; from few of them the estimate is mostly too high. With 100 of 2000
    rows it was off by 0.02 to 0.04 in simulations (root mean square), with 30 by 0.03 to 0.06.
    Assumes that given the truth the errors of annotators and model are independent: annotators who copy from each
    other, or see the prediction, look better than they are. Where no row has labels of two annotators, the values
    are not known. Rows without a prediction, or of a class that is not declared, are left out and counted.
    details: `majority_accuracy` (against the majority of each row's labels), `confusion` by source (truth -> answer),
    `labels` of each annotator, `rows_with_two` or more of them, `shares` of the classes.
    Source: Dawid, Skene, Applied Statistics 28 (1979).
    """

    tags = Tags(needs_labels=True, needs_prediction=True, needs_annotations=True)

    def __init__(self, max_annotators: int = 20, max_patterns: int = 10_000, min_rows_with_two: int = 100) -> None:
        for name, given, most in (("max_annotators", max_annotators, 100), ("max_patterns", max_patterns, 1_000_000)):
            if not 2 <= given <= most:
                raise ValueError(f"annotated_accuracy: {name} is {given}; allowed: 2 to {most}")
        if min_rows_with_two < 1:
            raise ValueError(f"annotated_accuracy: min_rows_with_two is {min_rows_with_two}; allowed: 1 or more")
        self.max_annotators = max_annotators
        self.max_patterns = max_patterns
        self.min_rows_with_two = min_rows_with_two

    def bind(self, schema: Schema) -> AnnotatedAccuracy:
        check_classes(schema, "annotated_accuracy")
        if len(schema.classes) > _MOST_CLASSES:
            raise ValueError(f"annotated_accuracy: {len(schema.classes)} classes; allowed: up to {_MOST_CLASSES}")
        super().bind(schema)
        return self

    def create(self) -> State:
        return {"patterns": no_patterns(), "n": 0, "left_out": 0, "unknown_class": 0}

    def add(self, state: State, batch: Batch) -> State:
        classes, n = batch.schema.classes, len(batch)
        if not classes:
            raise ValueError("annotated_accuracy: schema.classes is empty; name the classes that labels have")
        given = batch.annotations or ({} if batch.labels is None else {"": batch.labels})
        model = class_codes(predicted(batch), classes, n)
        labels = {name: class_codes(column, classes, n) for name, column in given.items()}
        unknown = sum(int(np.count_nonzero(codes == len(classes))) for codes in (model, *labels.values()))
        labels = {name: np.where(codes < len(classes), codes, -1) for name, codes in labels.items()}
        said = np.any([codes >= 0 for codes in labels.values()], axis=0) if labels else np.zeros(n, dtype=bool)
        known = said & (model >= 0) & (model < len(classes))
        part = {
            "patterns": self._counted(model[known], {name: codes[known] for name, codes in labels.items()}),
            "n": int(np.count_nonzero(known)),
            "left_out": n - int(np.count_nonzero(known)),
            "unknown_class": unknown,
        }
        return self.merge(state, part)

    def _counted(self, model: Codes, labels: dict[str, Codes]) -> dict[str, Any]:
        named = {name: codes for name, codes in labels.items() if (codes >= 0).any()}
        return count_patterns(model, named, self.max_annotators, self.max_patterns)

    def merge(self, left: State, right: State) -> State:
        counts = {key: left[key] + right[key] for key in ("n", "left_out", "unknown_class")}
        bounds = self.max_annotators, self.max_patterns
        return {"patterns": merge_patterns(left["patterns"], right["patterns"], *bounds), **counts}

    def result(self, state: State, ctx: ResultContext) -> Result:
        found = state["patterns"]
        codes, counts = found["codes"], found["counts"]
        k = len(self.schema.classes)
        counted = {key: state[key] for key in ("left_out", "unknown_class")}
        counted["annotators_left_out"] = bool(found["cut"])
        counted["rows_with_two"] = twice = int(counts[(codes[:, 1:] >= 0).sum(axis=1) >= 2].sum())
        agreement = _agreement(codes[:, 1:], counts, k)
        if agreement is None:
            values = dict.fromkeys(("annotated_accuracy", "agreement", "annotator_accuracy"))
            reason = "no row has labels of two annotators"
            return Result(values, state["n"], "insufficient", {"reason": reason, **counted})
        few = twice < self.min_rows_with_two
        if few:
            counted["reason"] = (
                f"rows with labels of two annotators: {twice}; min_rows_with_two is {self.min_rows_with_two}"
            )
        fit = dawid_skene(codes, counts, k)
        names = [name or "(unnamed)" for name in found["annotators"]]
        return Result(
            {
                "annotated_accuracy": fit.accuracy(0),
                "agreement": agreement,
                "annotator_accuracy": {name: fit.accuracy(i + 1) for i, name in enumerate(names)},
            },
            state["n"],
            "insufficient" if few else "ok",
            {**self._details(fit, names, codes, counts), **counted},
        )

    def _details(self, fit: Estimated, names: list[str], codes: Codes, counts: Any) -> dict[str, Any]:
        classes = self.schema.classes
        labels = (counts[:, None] * (codes[:, 1:] >= 0)).sum(axis=0)
        confusion = {
            name: {
                f"{a} -> {b}": float(fit.confusion[s, i, j])
                for i, a in enumerate(classes)
                for j, b in enumerate(classes)
            }
            for s, name in enumerate(("(model)", *names))
        }
        return {
            "majority_accuracy": _against_majority(codes, counts, len(classes)),
            "shares": dict(zip(classes, fit.shares.tolist(), strict=True)),
            "labels": dict(zip(names, labels.tolist(), strict=True)),
            "confusion": confusion if len(classes) <= _SHOWN_CLASSES else None,
            "steps": fit.steps,
            "converged": fit.converged,
        }


def _votes(labels: Codes, k: int) -> Any:
    """(m, k) labels that the annotators of a pattern gave."""
    return np.stack([(labels == c).sum(axis=1) for c in range(k)], axis=1) if k else np.zeros((len(labels), 0))


def _agreement(labels: Codes, counts: Any, k: int) -> float | None:
    """Share of the pairs of labels of a row that are equal; None where no row has two."""
    votes = _votes(labels, k)
    given = votes.sum(axis=1)
    pairs = float((counts * given * (given - 1)).sum())
    return float((counts[:, None] * votes * (votes - 1)).sum()) / pairs if pairs else None


def _against_majority(codes: Codes, counts: Any, k: int) -> float | None:
    """Accuracy if the commonest label of each row were the truth; ties count in parts."""
    votes = _votes(codes[:, 1:], k)
    top = votes == votes.max(axis=1, keepdims=True)
    labelled = votes.sum(axis=1) > 0
    right = top[np.arange(len(codes)), codes[:, 0]] / top.sum(axis=1)
    total = float(counts[labelled].sum())
    return float((counts * right)[labelled].sum()) / total if total else None
