"""V2's binary tensor extension: JSON, then the tensors' bytes in order (no length header needed)."""

from __future__ import annotations

import codecs
import json
import struct
from typing import Any

import numpy as np

from vedette.engine.capture.call import Undecodable

_TYPES = {
    "BOOL": "?", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1", "UINT16": "<u2",
    "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def read_binary(data: bytes, field: str) -> Any:
    """The V2 body with `data` filled in from the bytes behind its JSON."""
    text = codecs.decode(data, "utf-8", "surrogateescape")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise Undecodable(field, data[:40], f"JSON, with binary tensors behind it or alone ({error})") from error
    rest = data[len(text[:end].encode("utf-8", "surrogateescape")) :]
    tensors: list[Any] = next((value[key] for key in ("inputs", "outputs") if isinstance(value.get(key), list)), [])
    for i, tensor in enumerate(tensors):
        rest = _fill(tensor, rest, f"{field}.inputs.{i}")
    if rest.strip():
        raise Undecodable(field, f"{len(rest)} bytes after the last tensor", "binary_data_size of every tensor")
    return value


def _fill(tensor: Any, rest: bytes, field: str) -> bytes:
    parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return rest
    if not isinstance(size, int) or not 0 <= size <= len(rest):
        raise Undecodable(f"{field}.parameters.binary_data_size", size, f"a number of bytes up to {len(rest)}")
    tensor["data"] = _values(tensor.get("datatype"), rest[:size], field)
    return rest[size:]


def _values(datatype: Any, data: bytes, field: str) -> Any:
    if datatype == "BYTES":
        return _strings(data, field)
    code = _TYPES.get(datatype) if isinstance(datatype, str) else None
    if code is None:
        raise Undecodable(f"{field}.datatype", datatype, f"{', '.join(_TYPES)}, BYTES")
    if len(data) % np.dtype(code).itemsize:
        raise Undecodable(f"{field}.data", f"{len(data)} bytes", f"a multiple of {np.dtype(code).itemsize} bytes")
    return np.frombuffer(data, dtype=code)


def _strings(data: bytes, field: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise Undecodable(f"{field}.data", "BYTES that are cut off", "uint32 length and bytes per element")
        (length,) = struct.unpack_from("<I", data, at)
        if at + 4 + length > len(data):
            raise Undecodable(f"{field}.data", "BYTES that are cut off", "uint32 length and bytes per element")
        found.append(data[at + 4 : at + 4 + length].decode("utf-8", "replace"))
        at += 4 + length
    return found
