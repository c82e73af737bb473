"""What people have in their hands (DataFrame, array, dict of columns, Arrow table) as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vedette_specs.batch import Batch
from vedette_specs.columns import Column, category, make_column
from vedette_specs.schema import Kind, Schema

Tabular = Any
"""A pandas or polars DataFrame, a numpy array (n, d), a dict of columns, a list of records or a pyarrow Table."""


def as_batch(data: Batch | Tabular, schema: Schema | None = None) -> Batch:
    """`data` as a batch; kinds come from `schema` where it names the column, else from the values.

    A reference's label column (`schema.label`) becomes `labels`. Raises TypeError or ValueError naming the column.
    """
    if isinstance(data, Batch):
        return data
    schema = schema or Schema()
    columns = _columns(data, list(schema.features))
    labels = columns.pop(schema.label, None) if schema.label else None
    wanted = schema.features or {name: infer_kind(values) for name, values in columns.items()}
    if missing := [name for name in schema.features if name not in columns]:
        raise ValueError(f"columns {missing} of the schema are missing; the data has {list(columns)}")
    inputs = {name: _convert(name, kind, columns[name]) for name, kind in wanted.items()}
    full = schema if schema.features else Schema(**{**vars(schema), "features": dict(wanted)})
    return Batch(inputs=inputs, schema=full, labels=None if labels is None else label_column(labels, schema))


def as_tabular(batch: Batch, like: Batch | Tabular) -> Batch | Tabular:
    """The inputs of `batch` in the form that `like` has: array (n, d), DataFrame, dict, records, or a Batch as it is.

    For functions of people's own, which take what the people have in their hands.
    """
    if isinstance(like, Batch) or hasattr(like, "to_pydict"):
        return batch
    if isinstance(like, Mapping):
        return {name: column.to_list() for name, column in batch.inputs.items()}
    if hasattr(like, "columns"):  # DataFrame
        return type(like)({name: column.to_list() for name, column in batch.inputs.items()})
    if isinstance(like, Sequence) and like and isinstance(like[0], Mapping):
        return batch.to_records()
    if all(column.kind == "numeric" for column in batch.inputs.values()):
        return batch.matrix()
    return np.array(list(zip(*(column.to_list() for column in batch.inputs.values()), strict=True)), dtype=object)


def label_column(values: Any, schema: Schema) -> Column:
    """Labels or predictions: numbers for regression, else categories in the order of the classes."""
    if schema.task == "regression":
        return make_column("numeric", values)
    return category(list(values), schema.classes)


def infer_kind(values: Any) -> Kind:
    """numeric for numbers, embedding for 2-d arrays, image for more, text for long strings, else category."""
    if isinstance(values, Column):
        return values.kind
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.ndim > 1:
        return "embedding" if array.ndim == 2 else "image"
    if array is not None and array.dtype.kind in "iuf":
        return "numeric"
    present = [item for item in list(values) if item is not None and item == item]
    if present and all(isinstance(i, int | float | np.number) and not isinstance(i, bool | np.bool_) for i in present):
        return "numeric"
    if present and all(isinstance(item, str) for item in present):
        long = sum(len(item) > 60 or item.count(" ") >= 8 for item in present)
        return "text" if long * 2 > len(present) else "category"
    return "category" if present else "numeric"


def _convert(name: str, kind: Kind, values: Any) -> Column:
    if isinstance(values, Column):
        return values
    try:
        return make_column(kind, values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} is not {kind}: {error}") from error


def _columns(data: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return {str(name): values for name, values in data.items()}
    if isinstance(data, np.ndarray):
        if data.ndim == 1:
            data = data[:, None]
        if data.ndim != 2:
            raise ValueError(f"an array of rows has shape (n, d), not {data.shape}")
        if names and len(names) != data.shape[1]:
            raise ValueError(f"the rows have {data.shape[1]} columns; the schema has {len(names)}: {list(names)}")
        return {n: data[:, i] for i, n in enumerate(names or [f"x{i}" for i in range(data.shape[1])])}
    if hasattr(data, "column_names") and hasattr(data, "to_pydict"):  # pyarrow.Table
        return {str(n): data.column(n).to_numpy(zero_copy_only=False) for n in data.column_names}
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # DataFrame
        return {str(name): data[name].to_numpy() for name in data.columns}
    if isinstance(data, Sequence) and not isinstance(data, str) and data and isinstance(data[0], Mapping):
        keys = list(dict.fromkeys(key for row in data for key in row))
        return {str(key): [row.get(key) for row in data] for key in keys}
    if isinstance(data, Sequence) and not isinstance(data, str):
        return _columns(np.asarray(data), names)
    raise TypeError(
        "rows come as a DataFrame, an array (n, d), a dict of columns, records or a pyarrow Table; "
        f"not {type(data).__name__}"
    )
