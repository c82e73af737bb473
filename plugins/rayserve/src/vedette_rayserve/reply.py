"""Answers between processes as plain tuples: an exception that crosses Ray comes out wrapped and hard to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.engine.tap.transport import Busy, Refused, TransportError
from vedette_specs.codec import CodecError

Reply = tuple[str, Any]


def reply(work: Callable[[], Any]) -> Reply:
    """What `work` returned, or how it failed."""
    try:
        return ("ok", work())
    except Exception as error:  # one producer's message must not end the replica; the tap reports and retries
        return failure(error)


def failure(error: Exception) -> Reply:
    seconds = getattr(error, "retry_after", None)
    if seconds is not None:
        return ("busy", (float(seconds), str(error)))
    refused = isinstance(error, Refused | CodecError)
    return ("refused" if refused else "failed", f"{type(error).__name__}: {error}")


def opened(answer: Reply) -> Any:
    """The value of a reply; raises Busy, Refused or TransportError as on the other side."""
    status, value = answer
    if status == "ok":
        return value
    if status == "busy":
        raise Busy(*value)
    raise Refused(value) if status == "refused" else TransportError(value)
