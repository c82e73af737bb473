"""Labels and predictions that are numbers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from vedette.components.metrics._means import Counted, MeanMetric
from vedette.components.metrics._weights import as_numbers
from vedette_specs import Batch, Floats, Schema


def check_numbers(schema: Schema, who: str) -> None:
    """Raises ValueError where the schema says that the model answers classes."""
    if schema.task in ("binary", "multiclass"):
        raise ValueError(f"{who}: schema.task is {schema.task!r}; allowed: regression")


def truth_and_answer(batch: Batch) -> tuple[Floats, Floats]:
    """(n,) labels and (n,) predictions; both NaN where either is missing or infinite."""
    n = len(batch)
    truth, answer = as_numbers(batch.labels, n), as_numbers(batch.prediction, n)
    known = np.isfinite(truth) & np.isfinite(answer)
    return np.where(known, truth, np.nan), np.where(known, answer, np.nan)


class ErrorMetric(MeanMetric):
    """The (weighted) mean of an error per row."""

    def bind(self, schema: Schema) -> ErrorMetric:
        check_numbers(schema, self.name)
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        return self.errors(*truth_and_answer(batch)), {}

    @abstractmethod
    def errors(self, truth: Floats, answer: Floats) -> Floats:
        """(n,) errors; NaN where a row is left out."""
