"""The log sink."""

from __future__ import annotations

import logging

import pytest

from vedette.components.sinks.log import Log
from vedette.testing import Subject, check_component


def test_conformance(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vedette.events")
    outcomes = check_component(Subject(Log(), delivered=lambda: [record.event["id"] for record in caplog.records]))
    assert outcomes["an_event_is_delivered_once"] == "passed"


def test_a_record_says_what_happened_where(make_event, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ops"):
        Log(logger="ops", level="warning").emit(make_event(state="firing", value=float("inf")))
    (record,) = caplog.records
    assert record.name == "ops"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == 'alert income model/drift[region=north] {"state": "firing", "value": null}'
    assert record.event == make_event(state="firing", value=float("inf")).to_json()


def test_an_event_is_logged_once(make_event, caplog: pytest.LogCaptureFixture) -> None:
    sink = Log()
    with caplog.at_level(logging.INFO, "vedette.events"):
        for id in ("a", "a", "b"):
            sink.emit(make_event(id))
    assert [record.event["id"] for record in caplog.records] == ["a", "b"]


def test_memory_of_ids_is_bounded(make_event, caplog: pytest.LogCaptureFixture) -> None:
    from vedette.components.sinks.seen import Seen

    seen = Seen(limit=3)
    for id in "abcd":
        seen.add(id)
    assert [id in seen for id in "abcd"] == [False, True, True, True]
