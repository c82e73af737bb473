"""Performance expected where only the shares of the classes have changed."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._estimating import Wanted
from vedette.components.metrics._expected import Named, Sums, estimates, standard_errors
from vedette.components.metrics._priors import adjusted, prior_covariance, saerens, shares_over
from vedette.components.metrics._recalibrating import Recalibrating
from vedette.components.metrics._score_table import Cells
from vedette_specs import Batch, Floats, Result, ResultContext, State


class LabelShift(Recalibrating):
    """Performance on rows without labels if classes have become more or less frequent and rows of a class are what
    they were in the reference (label shift, prior shift).

    The new shares of the classes are those of greatest likelihood, found by expectation maximisation over the
    calibrated probabilities, which are then adjusted to them.

    estimate: one or several of `accuracy`, `precision`, `recall`, `f1`, `roc_auc`, `confusion_matrix`, as in `cbpe`.
    calibrate: isotonic regression on the reference's labels; False believes the probabilities as they are.
    bins: of two classes, rows are kept by prediction and bin between the reference's quantiles of the scores.
    sample: of more classes, rows kept (those with the least hashes), from which everything is estimated.

    It is wrong where rows of a class have changed: a shift of the inputs is then taken for one of the classes.
    details: `priors` of the classes, `reference_priors`, `standard_error` (as in `cbpe`, with the uncertainty of
    the priors), `reference`, `left_out`, as in `cbpe`.
    Raises ValueError where the reference has no labels or no probabilities.
    Source: Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities"
    (Neural Computation 2002).
    """

    name = "label_shift"

    prior_: Floats

    def __init__(self, estimate: Wanted = None, calibrate: bool = True, bins: int = 1000, sample: int = 2000) -> None:
        super().__init__(estimate, calibrate, bins, sample)

    def fit_batch(self, reference: Batch) -> None:
        super().fit_batch(reference)
        rows, _ = self.labelled(reference)
        self.prior_ = self.calibrated(rows.p).mean(axis=0)  # so that the reference itself shows no shift

    def ratios(self, state: State) -> Floats:
        """(classes,) shares of the classes in the window over those in the reference."""
        cells = self.cells(state)
        return shares_over(saerens(self.calibrated(cells.p), cells.counts, self.prior_), self.prior_)

    def result(self, state: State, ctx: ResultContext) -> Result:
        cells = self.cells(state)
        c = self.calibrated(cells.p)
        prior = saerens(c, cells.counts, self.prior_)
        sums = self._under(cells, c, prior)
        shares = {"priors": prior, "reference_priors": self.prior_}
        details = {name: dict(zip(self.schema.classes, p.tolist(), strict=True)) for name, p in shares.items()}
        return self.estimated(sums, state, details, self._errors(sums, cells, c, prior))

    def _under(self, cells: Cells, c: Floats, prior: Floats) -> Sums:
        return self.sums(cells, adjusted(c, prior, self.prior_))

    def _errors(self, sums: Sums, cells: Cells, c: Floats, prior: Floats) -> Named:
        """Of labels by chance, and of the priors: both variances added."""
        found = standard_errors(sums, self.wanted, self.schema)
        covariance = prior_covariance(c, cells.counts, prior, self.prior_)
        if covariance is None:
            return dict.fromkeys(found)
        slopes = self._slopes(cells, c, prior)
        for name, error in found.items():
            slope = slopes[name]
            if isinstance(error, float) and not np.isnan(slope).any():
                found[name] = float(np.sqrt(error**2 + slope @ covariance @ slope))
        return found

    def _slopes(self, cells: Cells, c: Floats, prior: Floats, step: float = 1e-4) -> dict[str, Floats]:
        """name -> (classes - 1,) change of a value as a class's share grows at the cost of the last one's."""
        changes = []
        for k in range(len(prior) - 1):
            ends = []
            for sign in (1.0, -1.0):
                moved = prior.copy()
                moved[k] = min(max(prior[k] + sign * step, 0.0), 1.0)
                moved[-1] = max(prior[-1] - (moved[k] - prior[k]), 0.0)
                ends.append((moved[k], estimates(self._under(cells, c, moved), self.wanted, self.schema)))
            changes.append(ends)
        return {name: np.array([_quotient(ends, name) for ends in changes]) for name in self.wanted}


def _quotient(ends: list[tuple[float, Named]], name: str) -> float:
    (high, above), (low, below) = ends
    up, down = above[name], below[name]
    if isinstance(up, float) and isinstance(down, float) and high > low:
        return (up - down) / (high - low)
    return float("nan")
