"""Tensors of the V2 protocol (Open Inference Protocol) as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.engine.capture.call import MAX_ROWS, Undecodable

_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_INTS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
DATATYPES = ("BOOL", *_INTS, *_FLOATS, "BYTES")
Tensors = dict[str, NDArray[Any]]


def is_v2(value: Any) -> bool:
    """True for a list of tensors: mappings with a name and a shape or datatype."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], Mapping)
        and "name" in value[0]
        and ("datatype" in value[0] or "shape" in value[0])
    )


def read_tensors(items: Sequence[Any], field: str) -> Tensors:
    """name -> array (n, ...) of floats, ints, bools or objects (str); all with the same n."""
    tensors: Tensors = {}
    for i, item in enumerate(items):
        place = f"{field}.{i}"
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise Undecodable(place, item, "a tensor: name, shape, datatype, data")
        tensors[item["name"]] = _tensor(item, place)
    sizes = {name: len(array) for name, array in tensors.items()}
    if len(set(sizes.values())) > 1:
        raise Undecodable(field, sizes, "tensors with the same first dimension")
    return tensors


def _tensor(item: Mapping[str, Any], field: str) -> NDArray[Any]:
    datatype = item.get("datatype", "FP64")
    if datatype not in DATATYPES:
        raise Undecodable(f"{field}.datatype", datatype, ", ".join(DATATYPES))
    array = _array(item.get("data"), datatype, field)
    shape = item.get("shape", [len(array)])
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise Undecodable(f"{field}.shape", shape, "a list of whole numbers")
    if math.prod(shape) != array.size:
        raise Undecodable(f"{field}.data", f"{array.size} values", f"{math.prod(shape)} values, as the shape says")
    if len(shape) > 16:
        raise Undecodable(f"{field}.shape", shape, "at most 16 dimensions")
    array = array.reshape(shape or [1])
    if not len(array) or len(array) > MAX_ROWS:
        raise Undecodable(f"{field}.shape", shape, f"1 to {MAX_ROWS} rows")
    return array


def _array(data: Any, datatype: str, field: str) -> NDArray[Any]:
    """All values in one dimension."""
    if isinstance(data, np.ndarray):
        return data.reshape(-1)
    if not isinstance(data, list):
        raise Undecodable(f"{field}.data", data, "a list of values, flat or nested")
    if datatype == "BYTES":
        return _objects(data)
    wanted: Any = np.float64 if datatype in _FLOATS else bool if datatype == "BOOL" else np.int64
    try:
        return np.array(data, dtype=wanted).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        return _floats(data, datatype, field, error)


def _floats(data: list[Any], datatype: str, field: str, error: Exception) -> NDArray[Any]:
    """Integers with null among them, or too large for int64."""
    try:
        return np.array(data, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise Undecodable(f"{field}.data", data, f"values of {datatype} ({error})") from error


def _objects(data: list[Any]) -> NDArray[Any]:
    flat: list[Any] = []
    level: list[Any] = data
    while level:
        flat = level
        if not any(isinstance(item, list) for item in level):
            break
        level = [leaf for item in level for leaf in (item if isinstance(item, list) else [item])]
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array
