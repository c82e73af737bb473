"""Logged rows of a file as batches: features by schema, and id, row, time, prediction, probabilities, attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vedette.config.plan import Plan
from vedette.config.reference import ReferenceHook, fit_reference, read_columns
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, category, make_column
from vedette_specs.convert import label_column

RATE = 100.0  # rows a second for rows without a time
PROBABILITY = "p_"  # column p_<class>


class BadLog(ValueError):
    """Logged rows or labels lack a column, or hold what cannot be used; names the column."""


def read_rows(path: Path, plan: Plan, registry: ReferenceHook | None = None) -> Batch:
    """The rows of a parquet or csv file in event-time order; labels where the label column is there."""
    columns = read_columns(str(path), registry)
    if isinstance(columns, Batch):
        return columns
    schema = plan.schema
    batch = fit_reference({k: v for k, v in columns.items() if k in schema.features or k == schema.label}, schema)
    n = len(batch)
    extra = {k: v for k, v in columns.items() if k not in schema.features and k != schema.label}
    changes: dict[str, Any] = {"times": _times(extra.pop("time", None), n)}
    ids, rows = extra.pop("id", None), extra.pop("row", None)
    if ids is not None:
        changes["ids"] = _strings("id", ids)
        changes["rows"] = np.zeros(n, dtype=np.int32) if rows is None else _numbers("row", rows).astype(np.int32)
    if (prediction := extra.pop("prediction", None)) is not None:
        changes["prediction"] = label_column(_values(prediction), schema)
    chances = [extra.pop(f"{PROBABILITY}{c}", None) for c in schema.classes]
    if chances and all(chance is not None for chance in chances):
        changes["probabilities"] = np.column_stack([_numbers("probability", c) for c in chances])
    changes["attributes"] = {name: category(_strings(name, values)) for name, values in extra.items()}
    whole = batch.replace(**changes)
    return whole.take(np.argsort(changes["times"], kind="stable"))


def read_labels(path: Path, plan: Plan, registry: ReferenceHook | None = None) -> list[dict[str, Any]]:
    """Feedback items of a file with the columns id, label (or the schema's label column), [row, annotator, time].

    Where `labels.join` is a column, `id` may have its name.
    """
    columns = read_columns(str(path), registry)
    if isinstance(columns, Batch):
        raise BadLog("labels: a file with the columns id and label is needed")
    name = "label" if "label" in columns else plan.schema.label
    if "id" not in columns and plan.labels.join in columns:
        columns = {**columns, "id": columns[plan.labels.join]}
    if "id" not in columns or name is None or name not in columns:
        raise BadLog(f"{path}: columns id and label are needed; it has {', '.join(columns)}")
    ids = _strings("id", columns["id"])
    values = _values(columns[name])
    count = len(ids)
    rows = _numbers("row", columns["row"]).astype(int).tolist() if "row" in columns else [0] * count
    who = _strings("annotator", columns["annotator"]).tolist() if "annotator" in columns else [""] * count
    items = [
        {"id": i, "row": r, "label": v, "annotator": a}
        for i, r, v, a in zip(ids.tolist(), rows, values, who, strict=True)
        if v is not None
    ]
    if "time" in columns:
        times = _times(columns["time"], count)
        kept = [t for t, v in zip(times.tolist(), values, strict=True) if v is not None]
        items = [{**item, "time": t} for item, t in zip(items, kept, strict=True)]
    return items


def _column(values: Any) -> Column:
    if isinstance(values, Column):
        return values
    array = np.asarray(values)
    return make_column("numeric" if array.dtype.kind in "iuf" else "category", array)


def _values(values: Any) -> list[Any]:
    return _column(values).to_list()


def _strings(name: str, values: Any) -> np.ndarray[Any, np.dtype[np.object_]]:
    texts = _column(values).strings()
    if name == "id" and any(text is None for text in texts):
        raise BadLog("column 'id' has missing values")
    return np.asarray(texts, dtype=object)


def _numbers(name: str, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    column = _column(values)
    if column.kind != "numeric":
        raise BadLog(f"column {name!r} holds {column.kind} values, not numbers")
    return np.asarray(column.values, dtype=np.float64)


def _times(values: Any, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds since the epoch from numbers or ISO 8601 texts; without any, rows come at a fixed rate."""
    if values is None:
        return np.arange(n) / RATE
    column = _column(values)
    if column.kind == "numeric":
        times = np.asarray(column.values, dtype=np.float64)
    else:
        import pandas as pd

        try:
            parsed = pd.to_datetime(pd.Series(list(column.strings())), utc=True, format="ISO8601")
        except ValueError as error:
            raise BadLog(f"column 'time': {error}; allowed: seconds since the epoch or ISO 8601") from error
        times = parsed.astype("datetime64[us, UTC]").astype("int64").to_numpy() / 1e6
    if not np.isfinite(times).all():
        raise BadLog("column 'time' has missing values")
    return times
