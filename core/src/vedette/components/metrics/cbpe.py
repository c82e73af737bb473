"""Performance expected under calibrated probabilities."""

from __future__ import annotations

from vedette.components.metrics._estimating import Estimating
from vedette_specs import Batch, Result, ResultContext, State


class Cbpe(Estimating):
    """Confidence-based performance estimation: what the model's performance on rows without labels is expected to be
    if its probabilities, calibrated on the reference, are the frequencies of the classes.

    estimate: one or several of `accuracy`, `precision`, `recall`, `f1`, `roc_auc`, `confusion_matrix`, under whose
    names the values come; when None accuracy, and roc_auc of two classes. Of two classes it is that of the positive
    one, of more the mean over the classes (macro); roc_auc of each against the rest.
    calibrate: isotonic regression on the reference's labels, of more than two classes of each against the rest and
    divided by their sum; False believes the probabilities as they are.
    bins: for roc_auc, between the reference's quantiles of the scores: off by at most `details.bound` from what the
    scores themselves would give.

    It holds while calibration does: it sees that the model meets more rows that it is unsure of, and never that
    labels of equal rows have changed (concept drift), nor a prior shift; see `pape` and `label_shift`.
    details: `standard_error` (of realised values around the estimates if calibration holds, by chance of the labels of
    these rows and of the reference's), `reference` (estimated by curves fitted on other rows, and realised),
    `left_out` rows without answer.
    The prediction is the model's own where the batch has it, else by `schema.threshold` or the likeliest class.
    Raises ValueError where the reference has no labels or no probabilities.
    Source: Kuberski, Bialek et al., NannyML; Bialek et al., arXiv 2401.08348 (2024), section 3.
    """

    name = "cbpe"

    def create(self) -> State:
        return {"n": 0, "left_out": 0, **self.nothing_expected()}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        rows = self.answers(batch)
        n = len(rows.p)
        sums = self.expected(rows.p, self.calibrated(rows.p), rows.predicted)
        return self.merge(state, {"n": n, "left_out": len(batch) - n, **sums})

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        return self.estimated(state, state, {})
