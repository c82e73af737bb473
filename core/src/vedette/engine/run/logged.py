"""Logged rows of a file as batches: features by schema, and id, row, time, prediction, probabilities, attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vedette.config.files import BadReference
from vedette.config.plan import Plan
from vedette.config.reference import ReferenceHook, check_columns, fit_reference, read_columns
from vedette.engine.run.times import IN_TABLES, LATEST, column_seconds
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, category, make_column
from vedette_specs.convert import label_column
from vedette_specs.schema import Schema

RATE = 100.0  # rows a second for rows without a time
MAX_ROW = 1_000_000
PROBABILITY = "p_"  # column p_<class>


class BadLog(ValueError):
    """Logged rows or labels lack a column, or hold what cannot be used; names file, column, row and value."""


def read_rows(path: Path, plan: Plan, registry: ReferenceHook | None = None) -> Batch:
    """The rows of a parquet or csv file in event-time order; labels where the label column is there."""
    columns = read_columns(str(path), registry)
    if isinstance(columns, Batch):
        return columns
    schema = plan.schema
    known = {k: v for k, v in columns.items() if k in schema.features or k == schema.label}
    try:
        check_columns(schema.features, columns, "the file")  # all columns are there, to suggest the one that is meant
        batch = fit_reference(known, schema, what="the file")
    except BadReference as error:
        raise BadLog(f"{path}: {'; '.join(map(str, error.all))}") from error
    with _naming(path):
        return _with_answers(batch, columns, schema)


def _with_answers(batch: Batch, columns: Mapping[str, Any], schema: Schema) -> Batch:
    """The batch with times, ids, answers of the model and attributes, in the order of time."""
    n = len(batch)
    extra = {k: v for k, v in columns.items() if k not in schema.features and k != schema.label}
    changes: dict[str, Any] = {"times": _times(extra.pop("time", None), n)}
    ids, rows = extra.pop("id", None), extra.pop("row", None)
    if ids is not None:
        changes["ids"] = _strings("id", ids)
        changes["rows"] = np.zeros(n, dtype=np.int32) if rows is None else _row_numbers(rows)
    if (prediction := extra.pop("prediction", None)) is not None:
        changes["prediction"] = label_column(_answers("prediction", prediction, schema), schema)
    chances = [extra.pop(f"{PROBABILITY}{c}", None) for c in schema.classes]
    if chances and all(chance is not None for chance in chances):
        changes["probabilities"] = np.column_stack(
            [_numbers(f"{PROBABILITY}{name}", c) for name, c in zip(schema.classes, chances, strict=True)]
        )
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
    with _naming(path):
        return _items(columns, name, plan.schema)


def _items(columns: Mapping[str, Any], name: str, schema: Schema) -> list[dict[str, Any]]:
    ids = _strings("id", columns["id"])
    values = _labels(name, columns[name], schema)
    count = len(ids)
    rows = _row_numbers(columns["row"]).tolist() if "row" in columns else [0] * count
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


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What is wrong with a column is told with the file's name."""
    try:
        yield
    except ValueError as error:
        raise BadLog(f"{path}: {error}") from error


def _column(name: str, values: Any) -> Column:
    if isinstance(values, Column):
        if values.kind not in ("numeric", "category", "text"):
            raise BadLog(f"column {name!r} holds lists; allowed: numbers or texts")
        return values
    array = np.asarray(values)
    return make_column("numeric" if array.dtype.kind in "iuf" else "category", array)


def _answers(name: str, values: Any, schema: Schema) -> list[Any]:
    """Labels or predictions: numbers for a regression, also those written as texts."""
    column = _column(name, values)
    if schema.task != "regression" or column.kind == "numeric":
        return column.to_list()
    return [None if text is None else _number(name, row, text) for row, text in enumerate(column.strings())]


def _labels(name: str, values: Any, schema: Schema) -> list[Any]:
    """Labels that feedback takes; the first that is no class is named."""
    found = _answers(name, values, schema)
    if not schema.classes:
        return found
    for row, text in enumerate(_column(name, values).strings()):
        if text is not None and text not in schema.classes:
            allowed = ", ".join(schema.classes)
            raise BadLog(f"column {name!r}: row {row + 1} holds {text!r}, which is no class; allowed: {allowed}")
    return found


def _number(name: str, row: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadLog(f"column {name!r}: row {row + 1} holds {text!r}; allowed: numbers") from None


def _strings(name: str, values: Any) -> np.ndarray[Any, np.dtype[np.object_]]:
    texts = _column(name, values).strings()
    if name == "id" and any(text is None for text in texts):
        raise BadLog("column 'id' has missing values")
    return np.asarray(texts, dtype=object)


def _numbers(name: str, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    column = _column(name, values)
    if column.kind == "numeric":
        return np.asarray(column.values, dtype=np.float64)
    texts = column.strings()
    return np.array([np.nan if text is None else _number(name, row, text) for row, text in enumerate(texts)])


def _row_numbers(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    numbers = _numbers("row", values)
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers == np.floor(numbers)) & (numbers <= MAX_ROW)))
    if len(wrong):
        shown = f"{numbers[wrong[0]]:g}"
        raise BadLog(f"column 'row': row {wrong[0] + 1} holds {shown}; allowed: whole numbers from 0 to {MAX_ROW:,}")
    return numbers.astype(np.int32)


def _times(values: Any, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds since the epoch from numbers or ISO 8601 texts; without any, rows come at a fixed rate."""
    if values is None:
        return np.arange(n) / RATE
    column = _column("time", values)
    texts = None if column.kind == "numeric" else column.strings()
    times = np.asarray(column.values, dtype=np.float64) if texts is None else column_seconds(list(texts))
    wrong = np.flatnonzero(~((times >= 0.0) & (times < LATEST)))
    if len(wrong):
        row = int(wrong[0])
        given = f"{times[row]:.15g}" if texts is None else texts[row]
        missing = given in (None, "NaT") or (texts is None and np.isnan(times[row]))
        hint = "; are these milliseconds?" if LATEST <= times[row] < np.inf else ""
        raise BadLog(
            f"column 'time': row {row + 1} holds {'none' if missing else repr(str(given))}{hint}; allowed: {IN_TABLES}"
        )
    return times
