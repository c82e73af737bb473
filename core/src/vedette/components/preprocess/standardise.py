"""Numeric columns to mean 0 and standard deviation 1 of the reference."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Column, Floats, Preprocessor, Tags


class Standardise(Preprocessor):
    """``(x - mean) / sd`` with mean and standard deviation (n) of the reference, as scikit-learn's StandardScaler.

    columns: numeric input columns; all of them when None. Others pass unchanged.
    Missing values stay missing, infinite ones infinite; neither counts in the fit. A constant column is only centred.
    """

    tags = Tags(modalities=("numeric",))

    columns_: list[str]
    mean_: Floats
    scale_: Floats

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "numeric", who="standardise")
        self.mean_, self.scale_ = mean_and_scale(reference.matrix(self.columns_))

    def transform_batch(self, batch: Batch) -> Batch:
        self.check_fitted()
        pick(batch, self.columns_, "numeric", who="standardise")
        changed = {
            name: Column("numeric", (batch.inputs[name].values - mean) / scale)
            for name, mean, scale in zip(self.columns_, self.mean_.tolist(), self.scale_.tolist(), strict=True)
        }
        return batch.replace(inputs={**batch.inputs, **changed})


def mean_and_scale(x: Floats) -> tuple[Floats, Floats]:
    """(d,) mean and standard deviation of the finite values of `x` (n, d); 0 and 1 where there is nothing to go by."""
    finite = np.isfinite(x)
    n = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, x, 0.0).sum(axis=0) / n
    deviation = np.where(finite, x - mean, 0.0)
    scale = np.sqrt((deviation * deviation).sum(axis=0) / n)
    # A constant column has a deviation of rounding errors only, which must not be blown up.
    constant = scale <= 10.0 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
    return mean, np.where(constant, 1.0, scale)
