"""Rows in the shape of a request that the model has answered before, so that an explainer can ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from vedette.engine.capture.body import read_body
from vedette.engine.capture.call import Call
from vedette_specs.batch import Batch

Fill = Callable[[Batch], Any]
_WRAPPERS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def calls_like(example: Call, rows: Batch, inputs: str = "auto") -> list[Call]:
    """Calls for all rows: one, or one a row where the example's shape holds a single row.

    inputs: the capture path of the rows, as in `body.rows`.
    """
    place, whole = _root(example, inputs)
    keys = _path(whole, place, inputs, rows)
    many, fill = form(_at(whole, keys), rows)
    parts = [rows] if many else [rows.take(np.array([i])) for i in range(len(rows))]
    return [_call(example, place, _put(whole, keys, fill(part))) for part in parts]


def candidates(rows: Batch, *, http: bool) -> Iterator[Call]:
    """Examples to try on a model that has not been called yet, the likeliest first; of one row each."""
    records, matrix = rows.to_records(), _matrix(rows)
    if not http:
        for value in (rows.matrix() if _numeric(rows) else None, _frame(rows), records, matrix):
            if value is not None:
                yield Call(args=(value,))
        return
    tensor = {"name": "rows", "shape": [len(rows), len(rows.inputs)], "datatype": "FP64", "data": matrix}
    yield Call(request={"instances": matrix})
    yield Call(request={"instances": records})
    if _numeric(rows):
        yield Call(request={"inputs": [tensor]})
    yield Call(request={"inputs": matrix})
    yield Call(request={"dataframe_split": {"columns": list(rows.inputs), "data": matrix}})
    yield Call(request=records)
    yield Call(request=matrix)
    yield Call(request=records[0])


def form(example: Any, rows: Batch) -> tuple[bool, Fill]:
    """(does the shape hold many rows, how to write rows in it); raises ValueError for a shape that is not known."""
    if isinstance(example, np.ndarray):
        return example.ndim > 1, lambda part: _array(part, example)
    if hasattr(example, "iloc") and hasattr(example, "columns"):
        return True, lambda part: _frame(part)[[c for c in example.columns if c in part.inputs]]
    if isinstance(example, Mapping):
        return _mapping_form(example)
    if isinstance(example, list | tuple) and example:
        return _list_form(example, rows)
    raise ValueError(f"rows cannot be written like {type(example).__name__}; name the rows' place in capture.inputs")


def _mapping_form(example: Mapping[str, Any]) -> tuple[bool, Fill]:
    if "data" in example and "columns" in example:  # MLflow's dataframe_split
        return True, lambda part: {**example, "data": _matrix(part, example["columns"])}
    if all(isinstance(value, list | tuple | np.ndarray) for value in example.values()):
        return True, lambda part: {name: column.to_list() for name, column in part.inputs.items()}
    return False, lambda part: {**example, **part.to_records()[0]}


def _list_form(example: list[Any] | tuple[Any, ...], rows: Batch) -> tuple[bool, Fill]:
    first = example[0]
    if isinstance(first, Mapping) and "name" in first and ("shape" in first or "datatype" in first):
        return True, lambda part: _tensors(part, [dict(item) for item in example])
    if isinstance(first, Mapping):
        extra = {key: value for key, value in first.items() if key not in rows.inputs}
        return True, lambda part: [{**extra, **record} for record in part.to_records()]
    if isinstance(first, list | tuple | np.ndarray):
        return True, _matrix
    if len(rows.inputs) == 1:
        return True, lambda part: next(iter(part.inputs.values())).to_list()
    return False, lambda part: _matrix(part)[0]


def _tensors(rows: Batch, example: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """V2: one tensor of all columns, or one for each."""
    if len(example) == 1 and example[0]["name"] not in rows.inputs:
        flat = [value for row in _matrix(rows) for value in row]
        return [_tensor(example[0], [len(rows), len(rows.inputs)], flat)]
    named = {item["name"]: item for item in example}
    return [
        _tensor(named[name], [len(rows), *([1] if len(named[name].get("shape", [])) == 2 else [])], column.to_list())
        for name, column in rows.inputs.items()
        if name in named
    ]


def _tensor(example: Mapping[str, Any], shape: list[int], data: list[Any]) -> dict[str, Any]:
    parameters = {k: v for k, v in example.get("parameters", {}).items() if k != "binary_data_size"}
    return {
        "name": example["name"],
        "shape": shape,
        "datatype": example.get("datatype", "FP64"),
        **({"parameters": parameters} if parameters else {}),
        "data": data,
    }


def _root(example: Call, inputs: str) -> tuple[Any, Any]:
    """(where in the call, what is there): its body, or the argument that holds the rows."""
    root, _, rest = inputs.partition(".")
    step = rest.split(".")[0]
    if root == "args":
        return int(step), example.args[int(step)]
    if root == "kwargs":
        return step, example.kwargs[step]
    if example.request is not None:
        raw = example.request
        return "body", read_body(raw, "body") if isinstance(raw, bytes) else raw
    places: list[tuple[Any, Any]] = [*enumerate(example.args), *example.kwargs.items()]
    for place, value in places:
        if hasattr(value, "__len__") or hasattr(value, "__array__"):
            return place, read_body(value, "args") if isinstance(value, bytes) else value
    raise ValueError("no argument of the model's call holds rows; name it in capture.inputs")


def _path(whole: Any, place: Any, inputs: str, rows: Batch) -> list[str]:
    if inputs == "auto":
        names = (key for key in _WRAPPERS if isinstance(whole, Mapping) and key in whole and key not in rows.inputs)
        return [key for key in [next(names, None)] if key is not None]
    steps = [step for step in inputs.split(".")[1:] if step]
    return steps if place == "body" else steps[1:]


def _at(whole: Any, keys: list[str]) -> Any:
    for key in keys:
        whole = whole[key] if isinstance(whole, Mapping) else whole[int(key)]
    return whole


def _put(whole: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    if isinstance(whole, Mapping):
        return {**whole, keys[0]: _put(whole[keys[0]], keys[1:], value)}
    index = int(keys[0])
    return [*whole[:index], _put(whole[index], keys[1:], value), *whole[index + 1 :]]


def _call(example: Call, place: Any, value: Any) -> Call:
    if place == "body":
        return Call(request=value, headers=example.headers)
    if isinstance(place, int):
        return Call(args=(*example.args[:place], value, *example.args[place + 1 :]), kwargs=example.kwargs)
    return Call(args=example.args, kwargs={**example.kwargs, place: value})


def _matrix(rows: Batch, names: Any = None) -> list[list[Any]]:
    lists = [rows.inputs[name].to_list() for name in (names or rows.inputs)]
    return [list(row) for row in zip(*lists, strict=True)]


def _array(rows: Batch, example: np.ndarray[Any, Any]) -> Any:
    array = rows.matrix() if _numeric(rows) else np.array(_matrix(rows), dtype=object)
    array = array.astype(example.dtype, copy=False)
    return array if example.ndim > 1 else array[0]


def _numeric(rows: Batch) -> bool:
    return all(column.kind == "numeric" for column in rows.inputs.values())


def _frame(rows: Batch) -> Any:
    import pandas as pd  # only models that take frames need it

    return pd.DataFrame({name: column.to_list() for name, column in rows.inputs.items()})
