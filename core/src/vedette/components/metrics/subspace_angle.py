"""Angle between the principal components of a window and of the reference."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.metrics._comoments import combine, comoments_of, empty
from vedette.components.preprocess.standardise import mean_and_scale
from vedette_specs import Batch, Fittable, Floats, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_ENORMOUS = 1e6  # standard deviations of the reference: one such row would be a component of its own


class SubspaceAngle(Metric, Fittable):
    """Largest principal angle between the first principal components of the window and those of the reference
    (`subspace_angle`, degrees in [0, 90]), and the share of the window's variance that lies in the reference's
    subspace (`explained`, in [0, 1]).

    It sees a change of the dependence between columns, and none of the mean. Columns are divided by the reference's
    standard deviation.  components: dimensions of the subspace, at most one less than there are columns.
    columns: numeric input columns; all of them when None.
    Rows with a value that is missing, infinite or over a million standard deviations from the reference's mean are
    left out and counted in `details.left_out`. Unknown up to as many rows as components, and where the window's
    components are not told apart (`details.gap` 0). Where the gap is small, the angle moves much by chance.
    Source: Bjorck, Golub, "Numerical methods for computing angles between linear subspaces" (1973).
    """

    tags = Tags(modalities=("numeric",), state_version=2)

    columns_: list[str]
    mean_: Floats
    scale_: Floats
    basis_: Floats

    def __init__(self, components: int = 2, columns: list[str] | None = None) -> None:
        if components < 1:
            raise ValueError(f"subspace_angle: components is {components}; allowed: 1 or more")
        self.components = components
        self.columns = columns

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "numeric", who="subspace_angle")
        if len(self.columns_) < 2:
            raise ValueError(f"subspace_angle: columns are {self.columns_}; allowed: 2 numeric columns or more")
        x = reference.matrix(self.columns_)
        self.mean_, self.scale_ = mean_and_scale(x)
        part = self._comoments(x)
        if part["n"] < 2:
            raise ValueError("subspace_angle: the reference has fewer than 2 rows without missing values")
        self.basis_ = _leading(part["comoment"], self._dimensions)[0]

    @property
    def _dimensions(self) -> int:
        return min(self.components, len(self.columns_) - 1)

    def _comoments(self, x: Floats) -> State:
        with np.errstate(over="ignore", invalid="ignore"):
            standard = (x - self.mean_) / self.scale_
            usable = (np.abs(standard) <= _ENORMOUS).all(axis=1)
        return comoments_of(len(x), self.columns_, standard[usable])

    def create(self) -> State:
        return empty()

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        names = pick(batch, self.columns_, "numeric", who="subspace_angle")
        return self.merge(state, self._comoments(batch.matrix(names)))

    def merge(self, left: State, right: State) -> State:
        return combine(left, right, "subspace_angle")

    def result(self, state: State, ctx: ResultContext) -> Result:
        n, comoment, k = state["n"], state["comoment"], self._dimensions
        left_out = {"left_out": state["rows"] - n}
        nothing: dict[str, Value] = {"subspace_angle": None, "explained": None}
        total = float(np.trace(comoment)) if n else 0.0
        if n <= k or total <= 0.0:
            return Result(nothing, n, "insufficient", left_out)
        basis, gap = _leading(comoment, k)
        explained = float(np.einsum("ij,ik,kj->", self.basis_, comoment, self.basis_)) / total
        angle = _largest_angle(self.basis_, basis) if gap > 1e-12 else None
        details = {**left_out, "components": k, "gap": gap}
        return Result({"subspace_angle": angle, "explained": min(explained, 1.0)}, n, "ok", details)


def _leading(comoment: Floats, k: int) -> tuple[Floats, float]:
    """(d, k) leading eigenvectors, and the gap to the next eigenvalue as a share of the largest."""
    values, vectors = np.linalg.eigh(comoment)
    gap = (values[-k] - values[-k - 1]) / values[-1] if values[-1] > 0 else 0.0
    return np.asarray(vectors[:, -k:]), float(gap)


def _largest_angle(a: Floats, b: Floats) -> float:
    """Degrees; from the sine where the angle is small, because a cosine near 1 has no digits left of it."""
    sine = float(np.linalg.norm(b - a @ (a.T @ b), ord=2))
    cosine = float(np.linalg.svd(a.T @ b, compute_uv=False)[-1])
    radians = np.arcsin(min(sine, 1.0)) if sine < 0.7 else np.arccos(min(cosine, 1.0))
    return float(np.degrees(radians))
