"""Mean, spread and shape of numeric columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vedette.components.metrics._columns import by_column, pick, spread, stack, union
from vedette.components.metrics._exact import two_sum
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, State, Tags

_NEUTRAL = {
    "n": 0, "missing": 0, "infinite": 0, "mean": 0.0, "low": 0.0, "m2": 0.0, "m3": 0.0, "m4": 0.0,
    "min": np.inf, "max": -np.inf,
}  # fmt: skip
_MAX = float(np.finfo(np.float64).max)
_COUNTS = ("n", "missing", "infinite")


class Moments(Metric):
    """Per numeric column: `n`, `mean`, `sd` (n - 1), `min`, `max`, `skew` (g1), `kurtosis` (g2, normal = 0).

    columns: numeric input columns; all of them when None.  Missing and infinite values are left out and counted
    in details.  Merged by central moments M1-M4; the mean is kept in two floats (`mean` + `low`), so that a column far
    from zero loses no digits of its spread however often it is merged.
    Source: Chan, Golub, LeVeque (1979); Pebay, "Formulas for robust, one-pass parallel computation of covariances
    and arbitrary-order statistical moments", SAND2008-6212.
    """

    tags = Tags(modalities=("numeric",))
    additive = ("n", "m2", "m3", "m4")

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    def create(self) -> State:
        return {"rows": 0, "columns": [], **_empty(0)}

    def add(self, state: State, batch: Batch) -> State:
        names = pick(batch, self.columns, "numeric", who="moments")
        return self.merge(state, moments_of(len(batch), names, stack(batch, names)))

    def merge(self, left: State, right: State) -> State:
        columns = union(left["columns"] or right["columns"], right["columns"] or left["columns"])
        a, b = spread(left, columns, _NEUTRAL), spread(right, columns, _NEUTRAL)
        return {"rows": left["rows"] + right["rows"], "columns": columns, **_combine(a, b)}

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns, n = state["columns"], state["n"]
        named = _statistics(state)
        if not n.any():
            return Result(dict.fromkeys(named), state["rows"], "insufficient", {})
        details = {k: dict(zip(columns, state[k].tolist(), strict=True)) for k in ("missing", "infinite")}
        return Result({name: by_column(columns, v) for name, v in named.items()}, state["rows"], "ok", details)


def moments_of(rows: int, columns: Sequence[str], x: Floats) -> State:
    """The state of `Moments` for the values `x` (d, n) of d columns."""
    return {"rows": rows, "columns": list(columns), **_moments(x)}


def _empty(d: int) -> State:
    return {k: np.full(d, v, dtype=np.int64 if k in _COUNTS else np.float64) for k, v in _NEUTRAL.items()}


def _moments(x: Floats) -> State:
    """Arrays (d,) of the central moments of the rows of `x` (d, n); sums of powers of the deviation, not averaged."""
    d, rows = x.shape
    if x.size == 0:
        return _empty(d)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = x.mean(axis=1)
    if np.isfinite(mean).all():
        return _powers(x - mean[:, None], mean, np.full(d, float(rows))) | {
            "n": np.full(d, rows, dtype=np.int64),
            "missing": np.zeros(d, dtype=np.int64),
            "infinite": np.zeros(d, dtype=np.int64),
            "min": x.min(axis=1),
            "max": x.max(axis=1),
        }
    return _masked_moments(x)


def _masked_moments(x: Floats) -> State:
    finite = np.isfinite(x)
    n, missing = finite.sum(axis=1), np.isnan(x).sum(axis=1)
    # Halves, divided before the sum: finite values near the largest float would overflow in it.
    half = (np.where(finite, x, 0.0) / (2.0 * np.maximum(n, 1))[:, None]).sum(axis=1)
    mean = 2.0 * np.clip(half, -_MAX / 2.0, _MAX / 2.0)
    with np.errstate(invalid="ignore", over="ignore"):
        deviation = np.where(finite, x - mean[:, None], 0.0)
        return _powers(deviation, mean, np.maximum(n, 1).astype(np.float64)) | {
            "n": n.astype(np.int64),
            "missing": missing.astype(np.int64),
            "infinite": (x.shape[1] - n - missing).astype(np.int64),
            "min": np.where(finite, x, np.inf).min(axis=1),
            "max": np.where(finite, x, -np.inf).max(axis=1),
        }


def _powers(deviation: Floats, mean: Floats, n: Floats) -> State:
    """Sums of powers of the deviation from `mean`, corrected to the deviation from the mean before rounding."""
    square = deviation * deviation
    low = deviation.sum(axis=1) / n
    s2 = square.sum(axis=1)
    s3 = np.einsum("ij,ij->i", square, deviation)
    s4 = np.einsum("ij,ij->i", square, square)
    return {
        "mean": mean,
        "low": low,
        "m2": np.maximum(s2 - n * low**2, 0.0),
        "m3": s3 - 3.0 * low * s2 + 2.0 * n * low**3,
        "m4": np.maximum(s4 - 4.0 * low * s3 + 6.0 * low**2 * s2 - 3.0 * n * low**4, 0.0),
    }


def _combine(a: Mapping[str, Any], b: Mapping[str, Any]) -> State:
    """Pebay (2008), equations 2.1 and 3.1 with p = 2, 3, 4."""
    na, nb = a["n"].astype(np.float64), b["n"].astype(np.float64)
    n = np.where(na + nb > 0.0, na + nb, 1.0)  # rows of a decaying window count less than one
    with np.errstate(invalid="ignore", over="ignore"):
        # A mean of no values is 0, which must not pull the other side.
        both, none = (na > 0) & (nb > 0), na == 0
        delta = np.where(both, (b["mean"] - a["mean"]) + (b["low"] - a["low"]), 0.0)
        share, d2 = delta / n, delta * delta
        weight = na * nb / n
        mean, low = two_sum(np.where(none, b["mean"], a["mean"]), np.where(none, b["low"], a["low"] + nb * share))
        return {
            **{key: a[key] + b[key] for key in _COUNTS},
            "mean": mean,
            "low": low,
            "m2": a["m2"] + b["m2"] + d2 * weight,
            "m3": a["m3"] + b["m3"] + d2 * share * weight * (na - nb) + 3.0 * share * (na * b["m2"] - nb * a["m2"]),
            "m4": a["m4"]
            + b["m4"]
            + d2 * share * share * weight * (na * na - na * nb + nb * nb)
            + 6.0 * share * share * (na * na * b["m2"] + nb * nb * a["m2"])
            + 4.0 * share * (na * b["m3"] - nb * a["m3"]),
            "min": np.minimum(a["min"], b["min"]),
            "max": np.maximum(a["max"], b["max"]),
        }


def _statistics(state: Mapping[str, Any]) -> dict[str, Floats]:
    n, m2 = state["n"].astype(np.float64), state["m2"]
    some, varied = n > 0, (m2 > 0) & np.isfinite(m2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return {
            "n": n,
            "mean": np.where(some, state["mean"], np.nan),
            "sd": np.where(n > 1, np.sqrt(m2 / (n - 1.0)), np.nan),
            "min": np.where(some, state["min"], np.nan),
            "max": np.where(some, state["max"], np.nan),
            "skew": np.where(varied, np.sqrt(n) * state["m3"] / m2**1.5, np.nan),
            "kurtosis": np.where(varied, n * state["m4"] / (m2 * m2) - 3.0, np.nan),
        }
