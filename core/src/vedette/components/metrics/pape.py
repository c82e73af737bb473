"""Performance expected where the inputs have shifted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vedette.components.metrics._calibration import apply_platt, logit, platt_map
from vedette.components.metrics._domain import FOLDS, Domains, compare
from vedette.components.metrics._estimating import Answers, Wanted
from vedette.components.metrics._expected import Sums
from vedette.components.metrics._features import design, encode_rows, fit_encoding
from vedette.components.metrics._recalibrating import Numbers, Recalibrating
from vedette_specs import Batch, Floats, Result, ResultContext, State

MIN_ROWS = 20 * FOLDS  # of window and reference: with fewer, no classifier is fitted


class Pape(Recalibrating):
    """Probabilistic adaptive performance estimation: `cbpe` with probabilities that are calibrated on the reference
    as if its inputs had the window's distribution. It holds under covariate shift: labels of equal inputs are alike.

    A logistic regression (on standardised inputs, their squares, categories, and the scores) tells a sample of the
    window from the reference, cross-fitted. Where its area under the ROC curve is above .5 beyond chance, and the
    density ratios leave enough of the reference, the calibrated probabilities are mapped by a logistic regression on
    the reference's labels, weighted by these ratios (Platt). Otherwise the estimates are those of `cbpe`, and
    `details.weighted` is false and `details.why` says why.

    estimate: one or several of `accuracy`, `precision`, `recall`, `f1`, `roc_auc`, `confusion_matrix`, as in `cbpe`.
    columns: numeric and category inputs that the classifier sees; all of them when None.
    calibrate: isotonic regression on the reference's labels first; False takes the probabilities as they are.
    alpha: level of the test for a shift.  min_effective: reference rows that the weights must be worth.
    bins: of two classes, rows are kept by prediction and bin between the reference's quantiles of the scores.
    sample: rows of the window kept for the classifier (those with the least hashes); of more than two classes the
    estimates stand on them alone.  reference_rows: rows of the reference kept, at random.

    It is wrong where labels of equal inputs have changed (concept drift), and where an input that matters is not
    among the columns.
    details: `shift` (`auc`, `standard_error`, `p_value` of the classifier), `effective_rows`, and those of `cbpe`.
    Raises ValueError where the reference has no labels or no probabilities.
    Source: Bialek et al., "Estimating model performance under covariate shift without labels", arXiv 2401.08348
    (2024).
    """

    name = "pape"
    tags = replace(Recalibrating.tags, needs_inputs=True)
    samples_always = True

    encoding_: dict[str, Any]
    rows_: dict[str, Any]
    scores_: Floats

    def __init__(
        self,
        estimate: Wanted = None,
        columns: list[str] | None = None,
        calibrate: bool = True,
        alpha: float = 0.05,
        min_effective: int = 300,
        bins: int = 1000,
        sample: int = 2000,
        reference_rows: int = 4000,
    ) -> None:
        super().__init__(estimate, calibrate, bins, sample)
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"pape: alpha is {alpha}; allowed: a number between 0 and 1")
        if min_effective < 1 or reference_rows < MIN_ROWS:
            raise ValueError(
                f"pape: min_effective is {min_effective} and reference_rows is {reference_rows}; "
                f"allowed: 1 or more, and {MIN_ROWS} or more"
            )
        self.columns = columns
        self.alpha = alpha
        self.min_effective = min_effective
        self.reference_rows = reference_rows

    def fit_batch(self, reference: Batch) -> None:
        super().fit_batch(reference)
        self.encoding_ = fit_encoding(reference, self.columns, self.name)
        rows, truth = self.labelled(reference)
        kept = np.random.default_rng(0).permutation(len(truth))[: self.reference_rows]
        x = self.encoded(reference.take(rows.index[kept]))
        self.rows_ = {"x": x, "p": rows.p[kept], "truth": truth[kept]}
        scores = logit(rows.p[:, list(self.looked_at)])
        spread = scores.std(axis=0)
        self.scores_ = np.stack([scores.mean(axis=0), np.where(spread > 0.0, spread, 1.0)])

    @property
    def width(self) -> int:
        return len(self.encoding_["columns"]) if self.is_fitted() else 0

    def encoded(self, batch: Batch) -> Numbers:
        return encode_rows(batch, self.encoding_).astype(np.float32)  # half the state; the reference is rounded too

    def create(self) -> State:
        return {**super().create(), **self.nothing_expected()}

    def part(self, state: State, batch: Batch, rows: Answers) -> State:
        sums = self.expected(rows.p, self.calibrated(rows.p), rows.predicted)
        return {**super().part(state, batch, rows), **sums}

    def result(self, state: State, ctx: ResultContext) -> Result:
        return self.judged(state, self.compare(state))

    def judged(self, state: State, domains: Domains | None) -> Result:
        """The result where the classifier has said that."""
        refusal = self._refusal(domains)
        sums = state if domains is None or refusal else self._weighted(state, domains)
        shift = domains and {"auc": domains.auc, "standard_error": domains.standard_error, "p_value": domains.p_value}
        details = {"weighted": refusal is None, "why": refusal or "the inputs have shifted", "shift": shift}
        effective = None if domains is None else domains.effective
        return self.estimated(sums, state, {**details, "effective_rows": effective})

    def compare(self, state: State, prior: Floats | None = None) -> Domains | None:
        """Reference against window; None where either has too few rows.  prior: weights of the reference's rows."""
        window = state["sample"]
        if min(len(window["p"]), len(self.rows_["p"])) < MIN_ROWS:
            return None
        return compare(self._design(self.rows_), self._design(window), prior)

    def usable(self, domains: Domains | None) -> bool:
        """Whether the reference is to be weighted: a shift, and enough rows left."""
        return self._refusal(domains) is None

    def _refusal(self, domains: Domains | None) -> str | None:
        if domains is None:
            return f"fewer than {MIN_ROWS} rows in the sample or the reference"
        if domains.p_value > self.alpha:
            return "no shift of the inputs is seen"
        if domains.effective < self.min_effective:
            return f"too few rows of the reference are like the window's: worth {domains.effective:.0f} of them"
        return None

    def _design(self, rows: Mapping[str, Any]) -> Floats:
        mean, spread = self.scores_
        scores = (logit(rows["p"][:, list(self.looked_at)]) - mean) / spread
        return design(rows["x"], np.clip(scores, -6.0, 6.0), self.encoding_)

    def _weighted(self, state: State, domains: Domains) -> Sums:
        """Expected counts under a calibration on the reference weighted as the window."""
        before = self.calibrated(self.rows_["p"])
        truth = self.rows_["truth"]
        pairs = [(logit(before[:, k]), (truth == k).astype(np.float64)) for k in self.looked_at]
        maps = [platt_map(scores, hits, domains.weights) for scores, hits in pairs]
        cells = self.cells(state)
        return self.sums(cells, apply_platt(maps, self.calibrated(cells.p), self.looked_at))
