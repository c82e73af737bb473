"""Which columns a component reads, and per-column arrays that grow with the columns seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Batch, Floats, State
from vedette_specs.schema import Kind


def pick(batch: Batch, columns: Sequence[str] | None, *kinds: Kind, who: str) -> list[str]:
    """Names of the inputs to read: `columns`, or all of the given kinds (of any kind when none is given).

    Raises ValueError naming the column that is absent or of another kind.
    """
    if columns is None:
        return [name for name, column in batch.inputs.items() if not kinds or column.kind in kinds]
    for name in columns:
        if name not in batch.inputs:
            raise ValueError(f"{who}: column {name!r} is not in the batch; it has {list(batch.inputs)}")
        if kinds and batch.inputs[name].kind not in kinds:
            raise ValueError(f"{who}: column {name!r} is {batch.inputs[name].kind}; allowed: {', '.join(kinds)}")
    return list(columns)


def stack(batch: Batch, columns: Sequence[str]) -> Floats:
    """(d, n) float64, one contiguous row per numeric column: what sorting and summing along columns is fast on."""
    if not columns:
        return np.empty((0, len(batch)))
    return np.stack([batch.inputs[name].values for name in columns]).astype(np.float64, copy=False)


def union(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """The columns of both: in the order given where they are the same, else sorted, so that it commutes."""
    return list(left) if list(left) == list(right) else sorted({*left, *right})


def spread(state: Mapping[str, Any], columns: Sequence[str], neutral: Mapping[str, float]) -> State:
    """The arrays of `state` that `neutral` names, (len(columns), ...): neutral where a column was not seen."""
    if list(state["columns"]) == list(columns):
        return {key: state[key] for key in neutral}
    place = np.array([columns.index(name) for name in state["columns"]], dtype=np.intp)
    return {key: _scatter(state[key], place, len(columns), empty) for key, empty in neutral.items()}


def by_column(columns: Sequence[str], values: NDArray[Any]) -> dict[str, float | None]:
    """column -> number, None where it is NaN."""
    return {
        name: None if value != value else float(value) for name, value in zip(columns, values.tolist(), strict=True)
    }


def _scatter(values: NDArray[Any], place: NDArray[np.intp], size: int, empty: float) -> NDArray[Any]:
    out = np.full((size, *values.shape[1:]), empty, dtype=values.dtype)
    out[place] = values
    return out
