"""Distance from the centre of the reference in units of its spread."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from vedette_specs import Batch, Floats, Mask, OutlierDetector, Tags

Shrinkage = Literal["auto", "ledoit_wolf", "none"]
_ROWS_PER_COLUMN = 3  # fewer make an empirical covariance useless: `auto` shrinks it
_ENORMOUS = 1e100  # standard deviations: squares overflow
_FLOOR = 1e-6  # smallest eigenvalue kept, relative to the largest: collinear columns are not divided by zero


class Mahalanobis(OutlierDetector):
    """Mahalanobis distance of the numeric inputs, on columns scaled to unit variance.

    A row with missing values is judged by its known columns alone: the marginal distance over k known columns is a
    chi-square with k degrees of freedom for Gaussian data, and is mapped to the distance in all d columns that is
    as extreme (Wilson & Hilferty 1931), so that scores of complete and incomplete rows compare. All missing: NaN;
    an infinite value: an infinite distance. Covariances of an incomplete reference are pairwise.

    Options:
        columns: numeric inputs to use; all of them when None.
        shrinkage: `ledoit_wolf` (Ledoit & Wolf 2004, towards uncorrelated columns), `none`, or `auto`: only where
            there are fewer than 3 training rows a column.
        random_state: of the split into training and calibration rows.
    """

    tags: ClassVar[Tags] = Tags(modalities=("numeric",))

    def __init__(
        self,
        *,
        columns: list[str] | None = None,
        shrinkage: Shrinkage = "auto",
        random_state: int = 0,
    ) -> None:
        if shrinkage not in get_args(Shrinkage):
            raise ValueError(f"shrinkage: {shrinkage!r} is not known; allowed: {', '.join(get_args(Shrinkage))}")
        self.columns = columns
        self.shrinkage = shrinkage
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        numeric = [name for name, column in reference.inputs.items() if column.kind == "numeric"]
        if wrong := [name for name in self.columns or [] if name not in numeric]:
            raise ValueError(f"columns: {wrong} are not numeric inputs; allowed: {numeric}")
        self.columns_ = numeric if self.columns is None else list(self.columns)
        if not self.columns_:
            raise ValueError(f"Mahalanobis needs a numeric input; there are {list(reference.inputs)}")
        rows = reference.matrix(self.columns_)
        known = np.isfinite(rows)
        seen = known.sum(axis=0)
        if empty := [self.columns_[i] for i in np.flatnonzero(seen == 0)]:
            raise ValueError(f"Mahalanobis: columns {empty} have no value in the reference")
        values = np.where(known, rows, 0.0)
        self.mean_: Floats = values.sum(axis=0) / seen
        deviations = np.where(known, values - self.mean_, 0.0)
        spread = np.sqrt((deviations**2).sum(axis=0) / seen)
        self.scale_: Floats = np.where(spread > 0, spread, 1.0)
        self.covariance_: Floats = _floored(self._covariance(deviations / self.scale_, known))
        self.whitening_: Floats = np.linalg.cholesky(np.linalg.inv(self.covariance_)) / self.scale_[:, None]

    def score_batch(self, batch: Batch) -> Floats:
        deviations = batch.matrix(self.columns_) - self.mean_
        with np.errstate(over="ignore", invalid="ignore"):
            white = deviations @ self.whitening_
            squared = np.einsum("ij,ij->i", white, white)
            odd = np.flatnonzero(~np.isfinite(squared))
            if len(odd):
                squared[odd] = self._squared_of_odd(deviations[odd] / self.scale_)
        return np.asarray(np.sqrt(squared))

    def _squared_of_odd(self, standard: Floats) -> Floats:
        """Squared distances of rows with missing, infinite or enormous values."""
        known = ~np.isnan(standard)
        squared = np.full(len(standard), np.nan)
        for pattern, rows in _by_pattern(known):
            if pattern.any():
                squared[rows] = self._squared(standard[rows], pattern)
        squared[(np.abs(standard) > _ENORMOUS).any(axis=1)] = np.inf
        return squared

    def _squared(self, rows: Floats, known: Mask) -> Floats:
        inverse = np.linalg.inv(self.covariance_[np.ix_(known, known)])
        part = rows[:, known]
        distance = np.einsum("ij,ij->i", part @ inverse, part)
        return distance if known.all() else _as_if_complete(distance, int(known.sum()), len(known))

    def _covariance(self, standard: Floats, known: Mask) -> Floats:
        together = known.T.astype(np.float64) @ known
        covariance = (standard.T @ standard) / np.maximum(together, 1.0)
        plenty = len(standard) >= _ROWS_PER_COLUMN * standard.shape[1]
        if self.shrinkage == "none" or (self.shrinkage == "auto" and plenty):
            return np.asarray(covariance)
        share = float(ledoit_wolf_shrinkage(standard, assume_centered=True))
        target = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        return np.asarray((1.0 - share) * covariance + share * target)


def _floored(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, max(values[-1], 1.0) * _FLOOR)) @ vectors.T)


def _as_if_complete(squared: Floats, k: int, d: int) -> Floats:
    """The chi-square quantile of `d` degrees at the level of `squared` with `k` (Wilson-Hilferty)."""
    z = (np.cbrt(squared / k) - (1 - 2 / (9 * k))) / np.sqrt(2 / (9 * k))
    return np.asarray(d * np.maximum(1 - 2 / (9 * d) + z * np.sqrt(2 / (9 * d)), 0.0) ** 3)


def _by_pattern(
    known: Mask,
) -> list[tuple[Mask, NDArray[np.intp]]]:
    """Rows grouped by which of their values are known."""
    if known.all():
        return [(np.ones(known.shape[1], dtype=bool), np.arange(len(known)))]
    patterns, group = np.unique(known, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    cuts = np.searchsorted(group[order], np.arange(1, len(patterns)))
    return list(zip(patterns, np.split(order, cuts), strict=True))
