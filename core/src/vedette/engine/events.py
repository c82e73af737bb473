"""Events: ids that stay the same however often one is made, and the payloads that sinks get."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from vedette.engine.work.accumulate import Failure
from vedette_specs.results import Event, EventKind


def event_id(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:40]


def seed_of(*parts: object) -> int:
    """A seed that is the same on every replica."""
    return int.from_bytes(hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()[:8], "big")


def make_event(
    kind: EventKind, model: str, monitor: str, segment: str, time: float, payload: Mapping[str, Any], *identity: object
) -> Event:
    """identity: what tells this event from others of its kind, monitor and segment."""
    return Event(event_id(kind, model, monitor, segment, *identity), kind, model, monitor, segment, time, dict(payload))


def failure_event(model: str, failure: Failure, now: float) -> Event:
    payload = {"reason": failure.reason, "series": failure.series}
    return make_event("component_failed", model, failure.monitor, "", now, payload, failure.series)
