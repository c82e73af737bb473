"""Bytes for states, batches and fitted components: a JSON header and raw arrays, never pickle.

Layout: magic ``VDT1`` | header length (uint32, little-endian) | header (UTF-8 JSON) | arrays, each padded to 8 bytes.
What is encodable: None, bool, int, float (also NaN and inf), str, bytes, arrays of numbers, booleans and fixed-width
strings, object arrays of ``str | None``, and lists, tuples (decoded as lists) and str-keyed dicts of these.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MAGIC = b"VDT1"
_ALIGN = 8
_KINDS = "biufcUSM"  # bool, int, uint, float, complex, str, bytes, datetime: dtypes whose bytes hold no pointer
_SEPARATOR = "\x1f"  # between joined strings; a string that holds one goes into the header
_TAG = "\x00"  # marks a mapping of the header that stands for something else; user keys starting with it are refused


class CodecError(ValueError):
    """Bytes that are not of this format, or a value that the format cannot hold."""


def encode(value: Any) -> bytes:
    """Return `value` as bytes; raises CodecError naming the path of what cannot be encoded."""
    buffers: list[bytes] = []
    header = json.dumps(_pack(value, buffers, "$"), separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    parts = [MAGIC, struct.pack("<I", len(header)), header, _padding(len(MAGIC) + 4 + len(header))]
    for buffer in buffers:
        parts += [buffer, _padding(len(buffer))]
    return b"".join(parts)


def decode(data: bytes | memoryview) -> Any:
    """Return the value that `encode` was given (tuples as lists); arrays are read-only views of `data`."""
    view = memoryview(data)
    if len(view) < 8 or bytes(view[:4]) != MAGIC:
        raise CodecError("not a Vedette frame: the magic number is missing")
    (length,) = struct.unpack("<I", view[4:8])
    if len(view) < 8 + length:
        raise CodecError(f"damaged frame: a header of {length} bytes in {len(view)} bytes")
    try:
        header = json.loads(bytes(view[8 : 8 + length]).decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise CodecError(f"the header of the frame is not JSON: {error}") from error
    start = 8 + length
    return _unpack(header, view, start + len(_padding(start)))


def _padding(length: int) -> bytes:
    return b"\0" * (-length % _ALIGN)


def _pack(value: Any, buffers: list[bytes], path: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _pack(value.item(), buffers, path)
    if isinstance(value, np.ndarray):
        return _pack_array(value, buffers, path)
    if isinstance(value, bytes | bytearray | memoryview):
        return {_TAG: "b", "at": _place(bytes(value), buffers), "n": len(value)}
    if isinstance(value, list | tuple):
        return [_pack(item, buffers, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, path): _pack(item, buffers, f"{path}.{key}") for key, item in value.items()}
    raise CodecError(f"{path}: a {type(value).__name__} cannot be encoded; use arrays, numbers, strings or bytes")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str) or key.startswith(_TAG):
        raise CodecError(f"{path}: keys are strings, not {key!r}")
    return key


def _pack_array(array: np.ndarray[Any, Any], buffers: list[bytes], path: str) -> Any:
    if array.dtype == object:
        return _pack_texts(array, buffers, path)
    if array.dtype.kind not in _KINDS:
        raise CodecError(f"{path}: arrays of dtype {array.dtype} cannot be encoded")
    dtype = array.dtype.newbyteorder("<")
    data = np.ascontiguousarray(array, dtype=dtype).tobytes()
    return {_TAG: "a", "d": dtype.str, "s": list(array.shape), "at": _place(data, buffers)}


def _pack_texts(array: np.ndarray[Any, Any], buffers: list[bytes], path: str) -> Any:
    items = array.tolist()
    kinds = set(map(type, items))
    if array.ndim != 1 or not all(kind is type(None) or issubclass(kind, str) for kind in kinds):
        raise CodecError(f"{path}: object arrays hold str or None in one dimension")
    if items and type(None) not in kinds:
        joined = _SEPARATOR.join(items)  # several times faster than JSON, and ids are on every row
        if joined.count(_SEPARATOR) == len(items) - 1:
            data = joined.encode("utf-8", "surrogatepass")
            return {_TAG: "j", "at": _place(data, buffers), "n": len(data)}
    return {_TAG: "o", "v": items}


def _place(data: bytes, buffers: list[bytes]) -> int:
    offset = sum(len(buffer) + len(_padding(len(buffer))) for buffer in buffers)
    buffers.append(data)
    return offset


def _unpack(value: Any, view: memoryview, base: int) -> Any:
    if isinstance(value, list):
        return [_unpack(item, view, base) for item in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG)
    if tag is None:
        return {key: _unpack(item, view, base) for key, item in value.items()}
    try:
        return _untag(tag, value, view, base)
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"damaged frame: {error}") from error


def _untag(tag: str, value: dict[str, Any], view: memoryview, base: int) -> Any:
    if tag == "o":
        return _texts(value["v"])
    start = base + int(value["at"])
    if tag == "j":
        joined = bytes(view[start : start + int(value["n"])]).decode("utf-8", "surrogatepass")
        return _texts(joined.split(_SEPARATOR))
    if tag == "b":
        return bytes(view[start : start + int(value["n"])])
    dtype = np.dtype(value["d"])
    if tag != "a" or dtype.kind not in _KINDS:
        raise CodecError(f"damaged frame: unknown array {value}")
    shape = tuple(int(side) for side in value["s"])
    size = int(np.prod(shape)) * dtype.itemsize if shape else dtype.itemsize
    return np.frombuffer(view[start : start + size], dtype=dtype).reshape(shape)


def _texts(items: Sequence[str | None]) -> np.ndarray[Any, np.dtype[np.object_]]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
