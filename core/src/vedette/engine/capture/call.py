"""One call of the model as the tap saw it, and the error for a call that cannot be read."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_ROWS = 100_000  # rows of one call
MAX_BODY = 64 << 20  # bytes of one body, unpacked
MAX_DEPTH = 64  # nested lists and mappings of one body

_NOTHING: Mapping[str, Any] = {}
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 80
_shown.maxlist = _shown.maxdict = _shown.maxtuple = _shown.maxset = 8
_shown.maxlevel = 3


class Undecodable(ValueError):
    """A call that does not become rows. field: where (a path or a column), allowed: what would have been right."""

    def __init__(self, field: str, value: Any, allowed: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(f"{field}: {show(value)} cannot be read; allowed: {allowed}")


@dataclass(slots=True)
class Call:
    """Request and response, still as the platform had them; decoded later, away from the request's path.

    request: the body as bytes, or decoded JSON; None where the model is called with `args` and `kwargs`.
    response: bytes, JSON-like values, arrays, a DataFrame, or an object with a `body` (starlette's Response).
    headers: of the request; names in any case.   time: seconds since the epoch, stamped by the tap when None.
    attributes: values known to the platform (model version, ...), one for all rows or one a row.
    first_row: number of the call's first row in the request, where several calls make up one request.
    Objects are kept by reference until the flusher has read them: a model must not change them after it answered.
    """

    request: Any = None
    response: Any = None
    headers: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    status: int = 200
    time: float | None = None
    request_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    first_row: int = 0


def failed(call: Call) -> bool:
    """True where the model answered with an error: no prediction was made."""
    status = getattr(call.response, "status_code", call.status)
    return call.status >= 400 or (isinstance(status, int) and status >= 400)


def header(call: Call, name: str) -> str | None:
    """The request header of that name (lower case), None where there is none or it is empty."""
    direct = call.headers.get(name)
    if type(direct) is str:
        return direct or None
    for key, value in call.headers.items():
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        if text.lower() == name:
            found = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            return found or None
    return None


def weigh(call: Call) -> tuple[int, int]:
    """(rows, bytes) of a call, estimated without reading it."""
    source = call.request
    if source is None:
        source = call.args[0] if call.args else call.kwargs
    size = 400 + _size(source, 3) + _size(call.response, 3)
    if len(call.args) > 1:
        size += _size(call.args[1:], 3)
    return _rows(source), size


def weight(value: Any) -> int:
    """Bytes that a value keeps alive, estimated without reading it: of a list or mapping, the first item counts."""
    return _size(value, 3)


def show(value: Any) -> str:
    """A short form of `value` for messages; never raises."""
    try:
        return _shown.repr(value)
    except Exception as error:  # a stranger's __repr__
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _rows(value: Any) -> int:
    if isinstance(value, bytes | str):
        return 1
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(shape[0])
    return max(1, len(value)) if isinstance(value, list) else 1


def _size(value: Any, depth: int) -> int:
    kind = type(value)
    if kind is bytes or kind is str or kind is bytearray:
        return len(value)
    if kind is list or kind is tuple or kind is dict:
        count = len(value)
        if not count or not depth:
            return 64 + 64 * count
        first = next(_values(value))
        return 64 + count * (64 + _size(first, depth - 1))
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    body = getattr(value, "body", None)
    if isinstance(body, bytes):
        return len(body)
    shape = getattr(value, "shape", None)
    return 64 * math.prod(shape) if isinstance(shape, tuple) else 64


def _values(value: Sequence[Any] | Mapping[str, Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, Mapping) else value)
