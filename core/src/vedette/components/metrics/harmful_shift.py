"""Evidence that the model's loss has grown beyond that of the reference."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from vedette.components.metrics._betting import SHARES, BettingMetric, check_alpha, log_mean_exp, upper_bound
from vedette.components.metrics._labels import check_classes, matching_codes, predicted, scored_classes
from vedette_specs import Batch, Fittable, Floats, Schema, Tags

REFERENCE_ALPHA = 0.01
FEWEST = 30  # labelled reference rows
DEGRADATIONS = (0.02, 0.05, 0.1, 0.2)


class HarmfulShift(BettingMetric, Fittable):
    """Evidence that the mean loss of labelled rows is above the reference's (`harmful_log_e`, `harmful_e_value`).

    `harmful_alarm` is 1 where the e-value has reached 1 / alpha. Without harm that happens with probability alpha at
    most in a window, and over a lifetime window at any time at all; 0.01 is added for the reference's own chance.
    Changes of the inputs that cost nothing never alarm. `harmful_mean` is the mean loss.

    loss: `error`, 1 for a wrong prediction; `brier`, the squared error of the probabilities, in [0, 1] (of several
    classes, half their sum).  tolerance: growth of the mean loss that does no harm.  alpha: probability of an alarm.
    The reference needs labels, and predictions or probabilities.
    Details: `reference_loss`; `bound`, an upper confidence bound of it (99 %) and the tolerance, beyond which loss is
    harm; `minimum_detectable` = bound - reference_loss: a smaller growth is never found, more reference rows lower
    it; `rows_to_detect`: about how many rows a growth beyond the bound takes from now on.
    Source: Podkopaev & Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts"
    (ICLR 2022), by betting.
    """

    PREFIX = "harmful"
    tags: ClassVar[Tags] = Tags(needs_labels=True, state_version=2)

    bound_: float
    reference_loss_: float

    def __init__(self, loss: Literal["error", "brier"] = "error", tolerance: float = 0.01, alpha: float = 0.05) -> None:
        if not 0.0 <= tolerance < 1.0:
            raise ValueError(f"harmful_shift: tolerance is {tolerance}; allowed: 0 up to 1, exclusive")
        check_alpha("harmful_shift", alpha)
        self.loss = loss
        self.tolerance = tolerance
        self.alpha = alpha
        brier = loss == "brier"
        vars(self)["tags"] = replace(type(self).tags, needs_probabilities=brier, needs_prediction=not brier)

    def bind(self, schema: Schema) -> HarmfulShift:
        check_classes(schema, "harmful_shift")
        super().bind(schema)
        return self

    def fit_batch(self, reference: Batch) -> None:
        losses = self.per_row(reference)
        losses = losses[~np.isnan(losses)]
        if len(losses) < FEWEST:
            needs = "probabilities (columns p_<class>)" if self.loss == "brier" else "predictions (column prediction)"
            raise ValueError(
                f"harmful_shift: the reference has {len(losses)} rows with labels and {needs}; {FEWEST} at least"
            )
        self.reference_loss_ = float(losses.mean())
        self.bound_ = upper_bound(losses, REFERENCE_ALPHA) + self.tolerance

    @property
    def bound(self) -> float:
        self.check_fitted()
        return self.bound_

    def per_row(self, batch: Batch) -> Floats:
        return _brier(batch) if self.loss == "brier" else _error(batch)

    def facts(self, evidence: Floats) -> dict[str, Any]:
        return {
            "reference_loss": self.reference_loss_,
            "minimum_detectable": self.bound_ - self.reference_loss_,
            "rows_to_detect": {f"{more:g}": _rows(self.bound_, more, self.alpha, evidence) for more in DEGRADATIONS},
        }


def _error(batch: Batch) -> Floats:
    prediction = predicted(batch)
    if batch.labels is None or prediction is None:
        return np.full(len(batch), np.nan)
    truth, answer = matching_codes(batch.labels, prediction)
    return np.where((truth >= 0) & (answer >= 0), truth != answer, np.nan)


def _brier(batch: Batch) -> Floats:
    codes, probabilities, known, _ = scored_classes(batch, "harmful_shift")
    losses = np.full(len(batch), np.nan)
    truth = np.eye(probabilities.shape[1])[codes[known]]
    losses[known] = np.clip(((probabilities[known] - truth) ** 2).sum(axis=1) / 2, 0.0, 1.0)
    return losses


def _rows(bound: float, more: float, alpha: float, evidence: Floats) -> int | None:
    """Rows until bets of a 0/1 loss that have (bets,) log wealth `evidence` have made 1 / alpha on average."""
    mean = bound + more
    if mean >= 1.0:
        return None
    bets = SHARES / bound
    growth = mean * np.log1p(bets * (1.0 - bound)) + (1.0 - mean) * np.log1p(-bets * bound)
    grows = growth > 0.0
    if not grows.any():
        return None
    needed = math.log(len(bets) / alpha) - evidence[grows]
    high = max(
        0, math.ceil(float((needed / growth[grows]).min()))
    )  # one bet is enough by then; together they are first
    low = 0
    while low < high:
        middle = (low + high) // 2
        enough = log_mean_exp(evidence + middle * growth) >= -math.log(alpha)
        low, high = (low, middle) if enough else (middle + 1, high)
    return high
