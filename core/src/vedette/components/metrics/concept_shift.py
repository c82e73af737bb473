"""Evidence that the model is more confident than it is right."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._betting import BettingMetric, check_alpha
from vedette.components.metrics._labels import check_classes, predicted, scored_classes
from vedette_specs import Batch, Column, Floats, Schema, Tags


class ConceptShift(BettingMetric):
    """Evidence that labels do not follow inputs as the model learnt it (`concept_log_e`, `concept_e_value`).

    The bets are on the probability of the predicted class minus whether it is right (1 or 0). For a calibrated model
    that is 0 on average for all inputs, so a mere change of the inputs stays silent, however wrong it makes the model.
    `concept_alarm` is 1 where the e-value has reached 1 / alpha: with probability alpha at most where the mean
    (`concept_mean`, the overconfidence) is within the tolerance; over a lifetime window, at any time at all.

    tolerance: overconfidence that is no news; that of the model on its reference and 0.02 is a good one.
    alpha: probability of an alarm.
    Rows whose label, prediction or probabilities are missing or of no declared class are left out and counted.
    Source: as `harmful_shift`; the bounded number is the residual of a calibrated forecast (Arnold, Henzi, Ziegel,
    "Sequentially valid tests for forecast calibration", 2023).
    """

    PREFIX = "concept"
    LEAST = -1.0
    tags: ClassVar[Tags] = Tags(needs_labels=True, needs_probabilities=True, state_version=2)

    def __init__(self, tolerance: float = 0.02, alpha: float = 0.05) -> None:
        if not 0.0 <= tolerance < 1.0:
            raise ValueError(f"concept_shift: tolerance is {tolerance}; allowed: 0 up to 1, exclusive")
        check_alpha("concept_shift", alpha)
        self.tolerance = tolerance
        self.alpha = alpha

    def bind(self, schema: Schema) -> ConceptShift:
        check_classes(schema, "concept_shift")
        super().bind(schema)
        return self

    @property
    def bound(self) -> float:
        return self.tolerance

    def per_row(self, batch: Batch) -> Floats:
        codes, probabilities, known, _ = scored_classes(batch, "concept_shift")
        answers = _codes(predicted(batch), batch)
        known &= (answers >= 0) & (answers < probabilities.shape[1])
        found = np.full(len(batch), np.nan)
        rows = np.flatnonzero(known)
        found[rows] = np.clip(probabilities[rows, answers[rows]], 0.0, 1.0) - (answers[rows] == codes[rows])
        return found


def _codes(prediction: Column | None, batch: Batch) -> NDArray[np.int32]:
    if prediction is None:
        return np.full(len(batch), -1, dtype=np.int32)
    return prediction.codes(batch.schema.classes)
