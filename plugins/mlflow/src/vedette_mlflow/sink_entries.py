"""Events as what `log_batch` takes: metrics and tags, in requests that MLflow does not refuse for their size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette_mlflow.naming import MAX_NAME, clean, metrics_of
from vedette_specs import Event

if TYPE_CHECKING:
    from mlflow.entities import Metric, RunTag

MAX_TAGS, MAX_ENTRIES = 100, 1000  # of one request, by MLflow's own limits; entries are metrics and tags
MAX_BYTES = 500_000  # of names and values; MLflow takes a million bytes of JSON
MAX_TAG = 5000  # characters of a tag's value
OWN_TAGS = 3  # of one event, at most
MAX_METRICS = MAX_ENTRIES - OWN_TAGS


@dataclass(frozen=True)
class Entry:
    """What an event becomes. lane: the tag that says it has come; it is written with the rest."""

    event: Event
    lane: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @classmethod
    def of(cls, event: Event, columns: int) -> Entry:
        """columns: of values by column so many."""
        lane = lane_of(event)
        return cls(event, lane, _metrics(event, columns), {**_tags(event), lane: event.id})

    @property
    def size(self) -> int:
        """Bytes in the request, about; more rather than less."""
        return sum(len(name) + 120 for name in self.metrics) + sum(
            2 * len(name) + 4 * len(value) for name, value in self.tags.items()
        )

    def mlflow_metrics(self) -> list[Metric]:
        from mlflow.entities import Metric

        time, step = _time(self.event), int(self.event.time)
        return [Metric(name, value, time, step) for name, value in self.metrics.items()]


def unwritten(events: Sequence[Event], last: Mapping[str, str]) -> list[Event]:
    """Without those that a run has already. last: lane -> id of its last event there."""
    lanes = [lane_of(event) for event in events]
    found = {lane: i for i, (event, lane) in enumerate(zip(events, lanes, strict=True)) if last.get(lane) == event.id}
    return [event for i, (event, lane) in enumerate(zip(events, lanes, strict=True)) if i > found.get(lane, -1)]


def requests(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """As many together as one request takes: an event is written whole or not at all."""
    batch: list[Entry] = []
    for entry in entries:
        if batch and not _fits([*batch, entry]):
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def tags_of(batch: Sequence[Entry]) -> list[RunTag]:
    """A tag once, as the last event says it."""
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in {k: v for entry in batch for k, v in entry.tags.items()}.items()]


def lane_of(event: Event) -> str:
    """Events of a lane come one after another, so that the last id is all that must be known."""
    parts = (event.kind, event.monitor, event.segment) if event.segment else (event.kind, event.monitor)
    return clean("vedette.last." + ".".join(parts).replace("/", "_"), MAX_NAME)


def _fits(batch: Sequence[Entry]) -> bool:
    tags = sum(len(entry.tags) for entry in batch)
    entries = tags + sum(len(entry.metrics) for entry in batch)
    return tags <= MAX_TAGS and entries <= MAX_ENTRIES and sum(entry.size for entry in batch) <= MAX_BYTES


def _metrics(event: Event, columns: int) -> dict[str, float]:
    if event.kind != "result":
        return {}
    result = {"monitor": event.monitor, "segment": event.segment, **event.payload}
    return dict(list(metrics_of(result, columns).items())[:MAX_METRICS])


def _time(event: Event) -> int:
    """Milliseconds since the epoch."""
    return int(event.time * 1000) + int(event.payload.get("revision") or 0)


def _tags(event: Event) -> dict[str, str]:
    payload = event.payload
    if event.kind == "alert":
        place = ".".join(clean(str(part)) for part in (payload.get("rule", event.monitor), event.segment) if part)
        state = str(payload.get("state", ""))
        details = {key: payload.get(key) for key in ("state", "severity", "value", "when", "since", "window")}
        return {
            clean(f"vedette.alert.{place}"): state,
            clean(f"vedette.alert_details.{place}"): json.dumps(details, default=str)[:MAX_TAG],
        }
    if event.kind == "component_failed":
        return {clean(f"vedette.failed.{event.monitor}"): str(payload.get("reason", ""))[:MAX_TAG]}
    return {}
