"""Bytes of a request or response as JSON-like values."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Mapping
from typing import Any

from vedette.engine.capture.binary import read_binary
from vedette.engine.capture.call import MAX_BODY, MAX_DEPTH, Undecodable

_GZIP = b"\x1f\x8b"
_decoder = json.JSONDecoder()


def read_body(data: bytes | bytearray | memoryview | str, field: str, content_type: str = "") -> Any:
    """JSON (also gzipped, with V2's binary tensors behind it) or, by content type, CSV as records."""
    text = data if isinstance(data, str) else _text(unzip(bytes(data), field), field)
    if isinstance(text, bytes):
        return read_binary(text, field)
    if content_type.startswith("text/csv"):
        return _csv(text, field)
    return parse(text, field)


def unzip(data: bytes, field: str) -> bytes:
    """The bytes themselves, or what gzip holds; never more than MAX_BODY."""
    if len(data) > MAX_BODY:
        raise Undecodable(field, f"{len(data)} bytes", f"at most {MAX_BODY} bytes")
    if not data.startswith(_GZIP):
        return data
    unzipper = zlib.decompressobj(wbits=31)
    try:
        plain = unzipper.decompress(data, MAX_BODY + 1)
    except zlib.error as error:
        raise Undecodable(field, f"damaged gzip ({error})", "gzip, or bytes that are not compressed") from error
    if len(plain) > MAX_BODY:
        raise Undecodable(field, f"gzip of more than {MAX_BODY} bytes", f"at most {MAX_BODY} bytes unpacked")
    if not unzipper.eof:
        raise Undecodable(field, "gzip that is cut off", "a complete gzip stream")
    return plain


def parse(text: str, field: str) -> Any:
    """JSON as Python values; a JSON string that holds JSON is opened once more (some clients encode twice)."""
    value = _json(text, field)
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = _json(value, field)
    return value


def _json(text: str, field: str) -> Any:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise Undecodable(field, "JSON nested too deeply", f"at most {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise Undecodable(field, text[:80], f"JSON ({error})") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise Undecodable(field, "JSON nested too deeply", f"at most {MAX_DEPTH} levels")
    return value


def _deeper(value: Any, levels: int) -> bool:
    """True where a chain of first items goes deeper than `levels`; wide JSON is not walked through."""
    for _ in range(levels + 1):
        if isinstance(value, Mapping):
            nested = [item for item in value.values() if isinstance(item, list | dict)]
        elif isinstance(value, list):
            nested = value[:1]
        else:
            return False
        if not nested:
            return False
        value = nested[0]
    return isinstance(value, list | dict)


def _text(data: bytes, field: str) -> str | bytes:
    """UTF-8 text; bytes where binary tensors follow a JSON header."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if data[:1] == b"{":
            return data
        raise Undecodable(field, data[:40], "UTF-8 text") from error
    return data if data[:1] == b"{" and "binary_data_size" in text else text


def _csv(text: str, field: str) -> list[dict[str, Any]]:
    rows = list(csv.reader(io.StringIO(text)))
    if len(rows) < 2:
        raise Undecodable(field, text[:80], "CSV with a header line and at least one row")
    head = rows[0]
    if any(len(row) != len(head) for row in rows[1:] if row):
        raise Undecodable(field, "CSV rows of different lengths", f"{len(head)} values in every row")
    return [{name: value or None for name, value in zip(head, row, strict=True)} for row in rows[1:] if row]
