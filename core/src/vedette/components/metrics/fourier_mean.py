"""Distance of the whole distribution to the reference's, from means of random features."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.preprocess.standardise import mean_and_scale
from vedette_specs import Batch, Fittable, Floats, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_FAR = 1e8  # standard deviations: beyond it a cosine has no meaning, and all such values are equally far
_PAIRS = 1000  # reference rows whose distances set the bandwidth


class FourierMean(Metric, Fittable):
    """Maximum mean discrepancy between the window and the reference over all numeric columns together: `mmd` (0 where
    the estimate of its square is negative) and that unbiased square, `mmd2`; it is about 0 without a change.

    The kernel is Gaussian on columns divided by the reference's standard deviation; its bandwidth is the median
    distance of reference rows. Each row becomes `features` cosines and as many sines, whose sums merge; so the squared
    distance is off from that of the kernel itself by about 1 / sqrt(features). It sees changes of the dependence
    between columns too.  columns: numeric input columns; all of them when None.  random_state: of the features.
    Rows with a missing or infinite value are left out and counted in `details.left_out`.
    Source: Rahimi, Recht, "Random features for large-scale kernel machines" (NIPS 2007); Gretton et al. (JMLR 2012).
    """

    tags = Tags(modalities=("numeric",))

    columns_: list[str]
    mean_: Floats
    scale_: Floats
    frequencies_: Floats
    bandwidth_: float
    sum_: Floats
    n_: int

    def __init__(self, features: int = 128, columns: list[str] | None = None, random_state: int = 0) -> None:
        if not 1 <= features <= 10_000:
            raise ValueError(f"fourier_mean: features is {features}; allowed: 1 to 10000")
        self.features = features
        self.columns = columns
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "numeric", who="fourier_mean")
        if not self.columns_:
            raise ValueError(f"fourier_mean: the reference has no numeric column; it has {list(reference.inputs)}")
        rng = np.random.default_rng(self.random_state)
        x = reference.matrix(self.columns_)
        self.mean_, self.scale_ = mean_and_scale(x)
        standard = self._standard(x)
        if len(standard) < 2:
            raise ValueError("fourier_mean: the reference has fewer than 2 rows without missing values")
        self.bandwidth_ = _median_distance(standard, rng)
        self.frequencies_ = rng.normal(size=(len(self.columns_), self.features)) / self.bandwidth_
        self.sum_, self.n_ = self._sum(standard), len(standard)

    def _standard(self, x: Floats) -> Floats:
        known = np.isfinite(x).all(axis=1)
        with np.errstate(over="ignore"):
            standard = ((x if known.all() else x[known]) - self.mean_) / self.scale_
        return np.asarray(np.clip(standard, -_FAR, _FAR))

    def _sum(self, standard: Floats) -> Floats:
        """(2 features,) sums of cosines and sines; the features of one row have length 1."""
        angles = standard @ self.frequencies_
        sums = np.concatenate([np.cos(angles).sum(axis=0), np.sin(angles).sum(axis=0)])
        return np.asarray(sums / np.sqrt(self.features))

    def create(self) -> State:
        return {"rows": 0, "n": 0, "sum": np.zeros(2 * self.features)}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        standard = self._standard(batch.matrix(pick(batch, self.columns_, "numeric", who="fourier_mean")))
        return self.merge(state, {"rows": len(batch), "n": len(standard), "sum": self._sum(standard)})

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in ("rows", "n", "sum")}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n, total = state["n"], state["sum"]
        details = {"left_out": state["rows"] - n}
        if n < 2:
            return Result({"mmd": None, "mmd2": None}, n, "insufficient", details)
        between = float(total @ self.sum_) / (n * self.n_)
        mmd2 = _within(total, n) + _within(self.sum_, self.n_) - 2.0 * between
        values: dict[str, Value] = {"mmd": float(np.sqrt(max(mmd2, 0.0))), "mmd2": mmd2}
        return Result(values, n, "ok", {**details, "bandwidth": self.bandwidth_})


def _within(total: Floats, n: int) -> float:
    """Mean kernel of two different rows."""
    return (float(total @ total) - n) / (n * (n - 1))


def _median_distance(x: Floats, rng: np.random.Generator) -> float:
    """Of pairs of different rows; 1 where they are all alike."""
    left = rng.integers(0, len(x), _PAIRS)
    right = (left + rng.integers(1, len(x), _PAIRS)) % len(x)
    distance = float(np.median(np.linalg.norm(x[left] - x[right], axis=1)))
    return distance if distance > 0 else 1.0
