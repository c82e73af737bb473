"""Mean vector and comoment matrix of complete rows, mergeable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vedette.components.metrics._exact import two_sum
from vedette_specs import Floats, State


def empty() -> State:
    return _state(0, 0, [], np.zeros(0), np.zeros(0), np.zeros((0, 0)))


def comoments_of(rows: int, columns: Sequence[str], x: Floats) -> State:
    """State of the rows of `x` (m, d), all finite; `rows` counts those that were left out as well."""
    d = len(columns)
    if not len(x):
        return _state(rows, 0, columns, np.zeros(d), np.zeros(d), np.zeros((d, d)))
    with np.errstate(over="ignore", invalid="ignore"):
        mean = x.mean(axis=0)
        deviation = x - mean
        rest = deviation.mean(axis=0)  # what rounding the mean has lost
        comoment = deviation.T @ deviation - len(x) * np.outer(rest, rest)
    return _state(rows, len(x), columns, mean, rest, comoment)


def combine(left: State, right: State, who: str) -> State:
    """Source: Chan, Golub, LeVeque (1979), their update with the outer product of the difference of means."""
    rows = left["rows"] + right["rows"]
    if not left["columns"] or not right["columns"]:
        return {**(left if left["columns"] else right), "rows": rows}
    if left["columns"] != right["columns"]:
        raise ValueError(f"{who}: states of different columns: {left['columns']} and {right['columns']}")
    if not left["n"] or not right["n"]:
        return {**(left if left["n"] else right), "rows": rows}
    n = left["n"] + right["n"]
    with np.errstate(over="ignore", invalid="ignore"):
        delta = (right["mean"] - left["mean"]) + (right["rest"] - left["rest"])
        share = right["n"] / n
        comoment = left["comoment"] + right["comoment"] + np.outer(delta, delta) * (left["n"] * share)
        mean, rest = two_sum(left["mean"], left["rest"] + delta * share)
    return _state(rows, n, left["columns"], mean, rest, comoment)


def _state(rows: int, n: int, columns: Sequence[str], mean: Floats, rest: Floats, comoment: Floats) -> State:
    """The mean is kept in two floats, mean + rest, so that columns far from zero lose no digits by merging."""
    return {"rows": rows, "n": n, "columns": list(columns), "mean": mean, "rest": rest, "comoment": comoment}


def correlation(comoment: Floats) -> Floats:
    """(d, d) correlations, NaN where a column does not vary."""
    spread = np.sqrt(np.diag(comoment))
    with np.errstate(invalid="ignore", divide="ignore"):
        out = comoment / np.outer(spread, spread)
    return np.asarray(np.clip(np.where(np.isfinite(out), out, np.nan), -1.0, 1.0))
