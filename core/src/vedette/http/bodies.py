"""Reading request bodies: bounded in size, also when they are chunked or compressed."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from vedette.http.errors import HttpError
from vedette.http.state import state_of

MAX_MESSAGE = 128 << 20  # a tap's batch holds at least one call, whose body may be up to 64 MiB
JSON_TYPES = "application/json"
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Body:
    """A body as it came; `unpack` and `json` are for the endpoint's own thread."""

    data: bytes
    content_type: str
    encoding: str
    limit: int

    def unpack(self) -> bytes:
        """The bytes without their content encoding; raises HttpError 413 before it has unpacked too much."""
        if self.encoding != "gzip":
            return self.data
        unzipper = zlib.decompressobj(wbits=31)
        try:
            plain = unzipper.decompress(self.data, self.limit + 1)
        except zlib.error as error:
            raise HttpError(400, f"body: damaged gzip ({error})", "body") from error
        if len(plain) > self.limit:
            raise _too_large(self.limit)
        if not unzipper.eof:
            raise HttpError(400, "body: gzip that is cut off", "body")
        return plain

    def json(self) -> Any:
        """The JSON value; raises HttpError 400 for what is none, NaN and infinity too."""
        return parse(self.unpack())


def body(limit: int | None = None, types: str | None = JSON_TYPES) -> Callable[..., Awaitable[Body]]:
    """A dependency that reads the body. limit: bytes, `server.max_body` when None.  types: the one taken; None: any."""

    async def read(request: Request) -> Body:
        most = limit if limit is not None else state_of(request).max_body
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if types is not None and not _fits(kind, types):
            raise HttpError(415, f"content-type: {kind or 'none'!r} is not taken; send {types}", "content-type")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise HttpError(
                415, f"content-encoding: {encoding!r} is not taken; allowed: gzip, identity", "content-encoding"
            )
        return Body(await _read(request, most), kind, encoding, most)

    return read


def document(schema: Mapping[str, Any], example: Any, kind: str = JSON_TYPES) -> dict[str, Any]:
    """The request body for OpenAPI."""
    content = {kind: {"schema": dict(schema), **({} if example is None else {"example": example})}}
    return {"requestBody": {"required": True, "content": content}}


def parse(data: bytes) -> Any:
    """JSON in the narrow sense, whose texts every database can hold."""
    try:
        value = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise HttpError(400, "body: JSON that is nested too deeply", "body") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise HttpError(400, f"body: not JSON ({error})", "body") from error
    if b"\\u" in data and not _storable(value):
        raise HttpError(400, "body: text with half a surrogate pair or a NUL", "body")
    return value


async def _read(request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"body: more than {limit} bytes (server.max_body)", "body")


def _fits(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted == JSON_TYPES and kind.startswith("application/") and kind.endswith("+json"))


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number; send null for a missing value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is beyond all numbers")
    return value


def _storable(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\\u0000" not in text.replace("\\\\", "")
