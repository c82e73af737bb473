"""Mean vector and comoment matrix of complete rows, mergeable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vedette_specs import Floats, State


def empty() -> State:
    return {"rows": 0, "n": 0, "columns": [], "mean": np.zeros(0), "comoment": np.zeros((0, 0))}


def comoments_of(rows: int, columns: Sequence[str], x: Floats) -> State:
    """State of the rows of `x` (m, d), all finite; `rows` counts those that were left out as well."""
    d = len(columns)
    if not len(x):
        return {"rows": rows, "n": 0, "columns": list(columns), "mean": np.zeros(d), "comoment": np.zeros((d, d))}
    with np.errstate(over="ignore", invalid="ignore"):
        mean = x.mean(axis=0)
        deviation = x - mean
        low = deviation.mean(axis=0)  # what rounding the mean has lost
        comoment = deviation.T @ deviation - len(x) * np.outer(low, low)
    return {"rows": rows, "n": len(x), "columns": list(columns), "mean": mean, "comoment": comoment}


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
        delta = right["mean"] - left["mean"]
        share = right["n"] / n
        comoment = left["comoment"] + right["comoment"] + np.outer(delta, delta) * (left["n"] * share)
        mean = left["mean"] + delta * share
    merged: dict[str, Any] = {"rows": rows, "n": n, "columns": left["columns"], "mean": mean, "comoment": comoment}
    return merged


def correlation(comoment: Floats) -> Floats:
    """(d, d) correlations, NaN where a column does not vary."""
    spread = np.sqrt(np.diag(comoment))
    with np.errstate(invalid="ignore", divide="ignore"):
        out = comoment / np.outer(spread, spread)
    return np.asarray(np.clip(np.where(np.isfinite(out), out, np.nan), -1.0, 1.0))
