"""What sinks keep: every kind of event, once by its id."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args
from uuid import uuid4

from vedette.testing.checks._table import check
from vedette.testing.lab import CheckSkipped, Lab, require
from vedette_specs import BatchSink, Event, Sink
from vedette_specs.results import EventKind


def events() -> list[Event]:
    """One event of each kind; numbers that JSON does not know are among the payload."""
    payload = {"values": {"mean": math.nan, "rate": 0.25}, "status": "ok", "text": "naïve ☃", "rows": [1, 2]}
    return [
        Event(f"{kind}-{uuid4().hex}", kind, "income", "quality", "region=north", 1_700_000_000.0, payload)
        for kind in get_args(EventKind)
    ]


@check(Sink)
def every_kind_of_event_is_taken(lab: Lab) -> None:
    """Results, alerts, explanations and failures are delivered; closing twice is no error."""
    sink = lab.new()
    sent = events()
    for event in sent:
        sink.emit(event)
    sink.close()
    sink.close()
    if lab.subject.delivered is not None:
        missing = {event.id for event in sent} - set(lab.subject.delivered())
        require(not missing, f"{len(missing)} of {len(sent)} events were not delivered")


@check(Sink)
def an_event_is_delivered_once(lab: Lab) -> None:
    """An event sent again, by the same sink or by one made anew, is not doubled at the other end."""
    if lab.subject.delivered is None:
        raise CheckSkipped("nobody can look at the other end: give Subject(delivered=...)")
    sink, event = lab.new(), events()[0]
    sink.emit(event)
    sink.emit(event)
    sink.close()
    again = Counter(lab.subject.delivered())[event.id]
    require(again == 1, f"an event sent twice is there {again} times")


@check(BatchSink)
def many_events_are_each_delivered_once(lab: Lab) -> None:
    """Events that come together all arrive; sent again, together or alone, they are not doubled at the other end."""
    if lab.subject.delivered is None:
        raise CheckSkipped("nobody can look at the other end: give Subject(delivered=...)")
    sink, sent = lab.new(), events()
    sink.emit_many(sent)
    sink.emit_many(sent)
    sink.emit(sent[-1])
    sink.close()
    times = Counter(lab.subject.delivered())
    wrong = {event.kind: times[event.id] for event in sent if times[event.id] != 1}
    require(not wrong, f"of events sent together, twice, these are there another number of times than once: {wrong}")
