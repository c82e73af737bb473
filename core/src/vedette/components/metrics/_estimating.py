"""Performance estimated from probabilities: what the methods share. All learn from labelled rows of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vedette.components.metrics._calibration import Curve, apply_curves, crossed_curves, fit_curves
from vedette.components.metrics._expected import (
    ESTIMATES,
    Codes,
    Estimate,
    Named,
    Sums,
    area_bound,
    estimates,
    expect,
    standard_errors,
    with_reference,
)
from vedette.components.metrics._labels import check_classes, class_codes, class_probabilities, predicted
from vedette.components.metrics._scores import check_bins, looked_at
from vedette_specs import Batch, Fittable, Floats, Metric, Result, Schema, State, Tags

Wanted = Estimate | list[Estimate] | None  # the option `estimate`


def refuse_matrix(estimate: Wanted, who: str, why: str) -> None:
    """Raises ValueError where an estimate that is no single number is asked for."""
    if "confusion_matrix" in ([estimate] if isinstance(estimate, str) else estimate or []):
        raise ValueError(f"{who}: estimate is {estimate!r}; a confusion_matrix {why}")


@dataclass(frozen=True)
class Answers:
    """Rows with probabilities and a prediction: where in the batch, (n, classes) probabilities, (n,) codes."""

    index: Codes
    p: Floats
    predicted: Codes


class Estimating(Metric, Fittable):
    """Expected counts of labels and predictions.

    estimate: out of `ESTIMATES`; when None accuracy, and roc_auc of two classes.
    calibrate: whether the reference corrects the probabilities; else they are believed.
    bins: of rankings, between the reference's quantiles of the scores.
    """

    name: ClassVar[str]
    tags = Tags(needs_probabilities=True, learns=("labels", "probabilities"))

    curves_: list[Curve]
    edges_: Floats
    error_: Named  # standard errors by chance of the reference's labels
    reference_: dict[str, Any]

    def __init__(self, estimate: Wanted = None, calibrate: bool = True, bins: int = 1000) -> None:
        given = [estimate] if isinstance(estimate, str) else estimate
        if given is not None and (not given or any(name not in ESTIMATES for name in given)):
            raise ValueError(f"{self.name}: estimate is {estimate!r}; allowed: {', '.join(ESTIMATES)}, or a list")
        self.estimate = estimate
        self.calibrate = calibrate
        self.bins = check_bins(bins, self.name)

    def bind(self, schema: Schema) -> Estimating:
        check_classes(schema, self.name)
        super().bind(schema)
        return self

    @property
    def wanted(self) -> tuple[Estimate, ...]:
        if self.estimate is None:
            return ("accuracy", "roc_auc") if len(self.schema.classes) == 2 else ("accuracy",)
        return (self.estimate,) if isinstance(self.estimate, str) else tuple(dict.fromkeys(self.estimate))

    @property
    def looked_at(self) -> Sequence[int]:
        return looked_at(self.schema)

    def fit_batch(self, reference: Batch) -> None:
        rows, truth = self.labelled(reference)
        self.curves_ = fit_curves(rows.p, truth, self.looked_at) if self.calibrate else []
        levels = np.arange(1, self.bins) / self.bins
        self.edges_ = np.stack([np.quantile(rows.p[:, k], levels) for k in self.looked_at])
        self.reference_ = self._on_reference(rows, truth)

    def labelled(self, reference: Batch) -> tuple[Answers, Codes]:
        """The reference's answered rows that have a label, and the labels' codes; ValueError where there are none."""
        if reference.labels is None or reference.probabilities is None:
            absent = "labels" if reference.labels is None else "probabilities"
            raise ValueError(f"{self.name}: the reference has no {absent}; it learns from labels and probabilities")
        rows, truth = self.labelled_answers(reference)
        if len(truth) < 2:
            raise ValueError(
                f"{self.name}: {len(truth)} of the reference's {len(reference)} rows have a label out of "
                f"{list(self.schema.classes)}, probabilities and a prediction; allowed: 2 or more"
            )
        return rows, truth

    def labelled_answers(self, batch: Batch) -> tuple[Answers, Codes]:
        """The answered rows whose label is one of the classes, and these labels' codes."""
        rows = self.answers(batch)
        truth = class_codes(batch.labels, self.schema.classes, len(batch))[rows.index]
        known = (truth >= 0) & (truth < len(self.schema.classes))
        return Answers(rows.index[known], rows.p[known], rows.predicted[known]), truth[known]

    def answers(self, batch: Batch) -> Answers:
        """The rows whose probabilities and prediction are known; where a batch has none, it follows from them."""
        p = class_probabilities(batch, self.name)
        codes = class_codes(predicted(batch), batch.schema.classes, len(batch))
        index = np.flatnonzero((codes >= 0) & (codes < p.shape[1]) & np.isfinite(p).all(axis=1))
        return Answers(index, np.clip(p[index], 0.0, 1.0), codes[index])

    def calibrated(self, p: Floats) -> Floats:
        """(n, classes) frequencies, by the reference."""
        return apply_curves(self.curves_, p, self.looked_at)

    def places(self, p: Floats) -> Codes:
        """(classes looked at, n) bins of the scores."""
        pairs = zip(self.edges_, self.looked_at, strict=True)
        return np.stack([np.searchsorted(edges, p[:, k], side="right") for edges, k in pairs])

    def expected(self, p: Floats, c: Floats, codes: Codes, counts: Floats | None = None) -> Sums:
        """p: (n, classes) scores that rank.  c: (n, classes) probabilities that are believed."""
        places = self.places(p) if "roc_auc" in self.wanted else None
        return expect(c, codes, self.looked_at, places, self.bins, counts)

    def nothing_expected(self) -> Sums:
        k = len(self.schema.classes)
        return self.expected(np.zeros((0, k)), np.zeros((0, k)), np.zeros(0, dtype=np.intp))

    def estimated(self, sums: Sums, state: State, details: Mapping[str, Any], errors: Named | None = None) -> Result:
        """The result of these sums for the rows of a state.

        errors: standard errors, without those of the calibration; by chance of the labels when None.
        """
        values = estimates(sums, self.wanted, self.schema)
        known = any(value is not None for value in values.values()) and state["n"] > 0
        errors = standard_errors(sums, self.wanted, self.schema) if errors is None else errors
        if self.calibrate:
            errors = with_reference(errors, self.error_, state["n"] / self.reference_["rows"])
        found: dict[str, Any] = {
            "standard_error": errors,
            "bound": area_bound(sums) if "scores" in sums else None,
            "left_out": state["left_out"],
            "reference": self.reference_,
            **details,
        }
        return Result(values, state["n"], "ok" if known else "insufficient", found)

    def _on_reference(self, rows: Answers, truth: Codes) -> dict[str, Any]:
        """What rows of the reference are estimated at by curves fitted without them, and what came of them."""
        c = crossed_curves(rows.p, truth, self.looked_at) if self.calibrate else rows.p
        certain = np.eye(rows.p.shape[1])[truth]
        pairs = {"estimated": c, "realised": certain}
        sums = {name: self.expected(rows.p, by, rows.predicted) for name, by in pairs.items()}
        self.error_ = standard_errors(sums["estimated"], self.wanted, self.schema)
        found = {name: estimates(one, self.wanted, self.schema) for name, one in sums.items()}
        return {"rows": len(truth), **found}
