"""Inputs as numbers that a linear model can tell two sets of rows apart by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._categories import count_column
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Column, Floats

Encoding = Mapping[str, Any]
"""{columns: [names], numbers: {column: [mean, standard deviation]}, categories: {column: [commonest first]}}."""

_FAR = 6.0  # standard deviations of the reference: what lies beyond is put there
_MOST = 20  # categories told apart


def fit_encoding(reference: Batch, columns: Sequence[str] | None, who: str) -> dict[str, Any]:
    """Means and scales of numeric columns, commonest categories of others; other kinds are left out."""
    names = pick(reference, columns, *(() if columns is None else ("numeric", "category")), who=who)
    inputs = {name: reference.inputs[name] for name in names if reference.inputs[name].kind in ("numeric", "category")}
    numbers = {name: _centre(column.values) for name, column in inputs.items() if column.kind == "numeric"}
    commonest = {name: _commonest(column) for name, column in inputs.items() if column.kind == "category"}
    return {"columns": list(inputs), "numbers": numbers, "categories": commonest}


def encode_rows(batch: Batch, encoding: Encoding) -> Floats:
    """(n, columns) standardised numbers, NaN where missing; codes of categories, -1 where missing."""
    if not encoding["columns"]:
        return np.empty((len(batch), 0))
    return np.column_stack([_encoded(batch, name, encoding) for name in encoding["columns"]])


def design(x: NDArray[Any], scores: Floats, encoding: Encoding) -> Floats:
    """(n, features): numbers and their squares, flags of missing ones, categories one by one; the scores likewise.

    scores: (n, any) finite numbers of about unit scale.
    """
    parts = [scores, scores**2]
    for i, name in enumerate(encoding["columns"]):
        if name in encoding["categories"]:
            parts.append((x[:, i : i + 1] == np.arange(-1, len(encoding["categories"][name]))).astype(np.float64))
            continue
        known = np.nan_to_num(x[:, i])
        parts += [known[:, None], known[:, None] ** 2, np.isnan(x[:, i : i + 1]).astype(np.float64)]
    return np.concatenate(parts, axis=1)


def _centre(values: Floats) -> list[float]:
    """Mean and standard deviation of the finite values."""
    known = values[np.isfinite(values) & (np.abs(values) < 1e150)]
    scale = float(known.std()) if len(known) else 0.0
    return [float(known.mean()) if len(known) else 0.0, scale if scale > 0.0 else 1.0]


def _commonest(column: Column) -> list[str]:
    counts, _ = count_column(column)
    return sorted(counts, key=lambda name: (-counts[name], name))[:_MOST]


def _encoded(batch: Batch, name: str, encoding: Encoding) -> Floats:
    column = batch.inputs[name]
    if name in encoding["categories"]:
        return np.asarray(column.codes(encoding["categories"][name]), dtype=np.float64)
    mean, scale = encoding["numbers"][name]
    with np.errstate(over="ignore"):
        return np.asarray(np.clip((column.values - mean) / scale, -_FAR, _FAR))
