"""Rows in any of the formats that clients send, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.engine.capture.call import MAX_ROWS, Undecodable
from vedette.engine.capture.tensors import Tensors, is_v2, read_tensors
from vedette_specs.schema import Schema

Values = list[Any] | tuple[Any, ...] | NDArray[Any]
Columns = dict[str, Values]
_JSON = frozenset({dict, str, int, float, bool, type(None), np.ndarray})
_WRAPPERS = ("dataframe_records", "instances", "inputs")
FORMATS = "V2 tensors, instances, inputs, dataframe_split, dataframe_records, records, arrays, a DataFrame"


def read_table(value: Any, schema: Schema, field: str) -> Columns:
    """Columns by name, all of one length; of the schema's features only, where it names any."""
    columns = _dispatch(value, schema, field)
    sizes = set(map(len, columns.values()))
    if len(sizes) > 1:
        raise Undecodable(field, {k: len(v) for k, v in columns.items()}, "columns of the same length")
    rows = next(iter(sizes), 0)
    if not 0 < rows <= MAX_ROWS:
        raise Undecodable(field, f"{rows} rows", f"1 to {MAX_ROWS} rows")
    return columns


def plain(value: Any) -> Any:
    """Models of pydantic and dataframes' series as plain values; everything else as it is."""
    if type(value) in _JSON:
        return value
    if type(value) is list and (not value or type(value[0]) in _JSON or type(value[0]) is list):
        return value
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _foreign(dump, value)
    if isinstance(value, list) and value and callable(getattr(value[0], "model_dump", None)):
        return [plain(item) for item in value]
    return value


def _foreign(read: Any, value: Any) -> Any:
    try:
        return read()
    except Exception as error:  # a stranger's code
        raise Undecodable("call", type(value).__name__, f"an object that can be read ({error})") from error


def _dispatch(value: Any, schema: Schema, field: str) -> Columns:
    value = plain(value)
    if isinstance(value, Mapping):
        return _mapping(value, schema, field)
    if isinstance(value, np.ndarray):
        return _array(value, schema, field)
    if isinstance(value, list | tuple):
        return _sequence(value, schema, field, bare=True)
    if hasattr(value, "columns") and hasattr(value, "__getitem__"):
        return _named(_frame(value), schema, field)
    if hasattr(value, "column_names") and hasattr(value, "to_pydict"):
        return _named(_foreign(value.to_pydict, value), schema, field)
    if hasattr(value, "__array__"):
        return _array(_foreign(lambda: np.asarray(value), value), schema, field)
    if isinstance(value, str | int | float) and len(schema.features) <= 1:
        return _sequence([value], schema, field, bare=False)
    raise Undecodable(field, value, FORMATS)


def _frame(value: Any) -> dict[str, Any]:
    return dict(_foreign(lambda: [(str(name), value[name].to_numpy()) for name in value.columns], value))


def _mapping(value: Mapping[str, Any], schema: Schema, field: str) -> Columns:
    features = schema.features
    if "dataframe_split" in value and "dataframe_split" not in features:
        return _split(value["dataframe_split"], schema, f"{field}.dataframe_split")
    for key in _WRAPPERS:
        if key in value and key not in features:
            return _wrapped(value[key], schema, f"{field}.{key}")
    data = value.get("data")
    if isinstance(data, Mapping) and "data" not in features and ("ndarray" in data or "tensor" in data):
        return _seldon(data, schema, f"{field}.data")
    return _record_or_columns(value, schema, field)


def _wrapped(value: Any, schema: Schema, field: str) -> Columns:
    if is_v2(value):
        return _tensors(read_tensors(value, field), schema, field)
    if isinstance(value, list):
        return _sequence(value, schema, field, bare=False)
    if isinstance(value, Mapping):
        return _record_or_columns(value, schema, field)
    raise Undecodable(field, value, "a list of rows or a mapping of columns")


def _split(value: Any, schema: Schema, field: str) -> Columns:
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), list):
        raise Undecodable(field, value, "a mapping with columns (optional) and data, a list of rows")
    names = value.get("columns")
    if names is not None and not isinstance(names, list):
        raise Undecodable(f"{field}.columns", names, "a list of column names")
    return _matrix(value["data"], schema, f"{field}.data", names=names)


def _seldon(value: Mapping[str, Any], schema: Schema, field: str) -> Columns:
    names = value.get("names")
    known = names if isinstance(names, list) and names else None
    if "ndarray" in value:
        rows = value["ndarray"]
    else:
        tensor = value["tensor"]
        if not isinstance(tensor, Mapping):
            raise Undecodable(f"{field}.tensor", tensor, "a mapping with shape and values")
        spec = {"name": "tensor", "shape": tensor.get("shape"), "datatype": "FP64", "data": tensor.get("values")}
        rows = read_tensors([spec], f"{field}.tensor")["tensor"].tolist()
    if not isinstance(rows, list):
        raise Undecodable(field, rows, "a list of rows")
    nested = rows and isinstance(rows[0], list)
    return _matrix(rows, schema, field, names=known) if nested else _sequence(rows, schema, field, bare=True)


def _record_or_columns(value: Mapping[str, Any], schema: Schema, field: str) -> Columns:
    known = [name for name in value if name in schema.features] if schema.features else list(value)
    if not known:
        _none_present(list(value), schema, field)
    if all(_is_column(value[name], schema.features.get(name, "numeric")) for name in known):
        return _named(value, schema, field)
    return {str(name): [value[name]] for name in known}


def _is_column(value: Any, kind: str) -> bool:
    """A column of values; for embeddings and images a list of numbers is one value."""
    if not isinstance(value, list | tuple | np.ndarray):
        return False
    if kind in ("embedding", "image"):
        deep = np.ndim(value) if isinstance(value, np.ndarray) else _depth(value)
        return deep > (1 if kind == "embedding" else 3)
    return np.ndim(value) > 0 if isinstance(value, np.ndarray) else True


def _depth(value: Any) -> int:
    levels = 0
    while isinstance(value, list | tuple) and levels < 8:
        levels += 1
        value = value[0] if value else None
    return levels


def _named(value: Mapping[str, Any], schema: Schema, field: str) -> Columns:
    names = [name for name in schema.features if name in value] if schema.features else list(value)
    if not names:
        _none_present(list(value), schema, field)
    return {str(name): value[name] for name in names}


def _sequence(rows: Sequence[Any], schema: Schema, field: str, *, bare: bool) -> Columns:
    """bare: a flat list of as many values as there are features is one row."""
    if not rows:
        raise Undecodable(field, [], "at least one row")
    if len(rows) > MAX_ROWS:
        raise Undecodable(field, f"{len(rows)} rows", f"at most {MAX_ROWS} rows")
    first = plain(rows[0])
    if isinstance(first, Mapping):
        return _records(rows, schema, field)
    if isinstance(first, list | tuple | np.ndarray):
        return _matrix(rows, schema, field)
    names = list(schema.features)
    if len(names) == 1 and not (bare and schema.features[names[0]] in ("embedding", "image")):
        return {names[0]: list(rows)}
    if bare and (not names or len(names) == len(rows) or len(names) == 1):
        return _matrix([rows], schema, field)
    raise Undecodable(field, list(rows), f"rows of {len(names)} values: {names}")


def _records(rows: Sequence[Any], schema: Schema, field: str) -> Columns:
    wrong = next((i for i, row in enumerate(rows) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise Undecodable(f"{field}.{wrong}", rows[wrong], "a mapping like the first row")
    keys = rows[0].keys() if len(rows) == 1 else dict.fromkeys(key for row in rows for key in row)
    names = [name for name in schema.features if name in keys] if schema.features else list(keys)
    if not names:
        _none_present(list(keys), schema, field)
    if len(rows) == 1:
        row = rows[0]
        return {str(name): [row[name]] for name in names}
    return {str(name): [row.get(name) for row in rows] for name in names}


def _matrix(rows: Sequence[Any], schema: Schema, field: str, names: Sequence[Any] | None = None) -> Columns:
    features = list(schema.features)
    if names is None and len(features) == 1 and schema.features[features[0]] in ("embedding", "image"):
        return {features[0]: list(rows)}
    wide = len(rows[0]) if rows and isinstance(rows[0], list | tuple | np.ndarray) else -1
    known = [str(name) for name in names] if names is not None else features or [f"x{i}" for i in range(max(wide, 0))]
    for i, row in enumerate(rows):
        if not isinstance(row, list | tuple | np.ndarray) or len(row) != len(known):
            raise Undecodable(f"{field}.{i}", row, f"{len(known)} values: {known}")
    columns: dict[str, Any] = dict(zip(known, zip(*rows, strict=True), strict=True))
    return columns if names is None else _named(columns, schema, field)


def _array(array: NDArray[Any], schema: Schema, field: str) -> Columns:
    features = list(schema.features)
    if array.ndim > 16 or array.dtype.kind not in "biufOUS":
        raise Undecodable(field, f"array of {array.dtype}", "an array of numbers, booleans or strings")
    if len(features) == 1 and schema.features[features[0]] in ("embedding", "image"):
        single = 1 if schema.features[features[0]] == "embedding" else 2
        return {features[0]: array[None] if array.ndim <= single else array}
    if array.ndim == 1 and len(features) != 1:
        array = array[None, :]
    array = array.reshape(-1, 1) if array.ndim < 2 else array
    if array.ndim != 2 or (features and array.shape[1] != len(features)):
        raise Undecodable(field, f"array of shape {array.shape}", f"shape (n, {len(features)}): {features}")
    return {name: array[:, i] for i, name in enumerate(features or [f"x{i}" for i in range(array.shape[1])])}


def _tensors(tensors: Tensors, schema: Schema, field: str) -> Columns:
    """Either one [n, d] tensor, or one [n] or [n, 1] tensor a feature."""
    if len(tensors) == 1 and next(iter(tensors)) not in schema.features:
        array = next(iter(tensors.values()))
        return _array(array.reshape(-1, 1) if array.ndim == 1 else array, schema, field)
    columns = _named(tensors, schema, field)
    return {name: _flat(array, schema.features.get(name, "numeric"), name) for name, array in columns.items()}


def _flat(array: Any, kind: str, name: str) -> NDArray[Any]:
    if kind in ("embedding", "image") or array.ndim == 1:
        return np.asarray(array)
    if array.size != len(array):
        raise Undecodable(name, f"tensor of shape {array.shape}", "shape [n] or [n, 1]")
    return np.asarray(array.reshape(-1))


def _none_present(found: list[Any], schema: Schema, field: str) -> None:
    raise Undecodable(field, found, f"at least one of the features {list(schema.features)}")
