"""What endpoints log, record by record, however many of them at once and whatever they do wrong."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from vedette_bentoml.monitor import VedetteMonitor
from vedette_bentoml.records import Record, Recorder

THREADS, RECORDS = 8, 50


class Kept(Recorder):
    def __init__(self, name: str = "income") -> None:
        super().__init__(name)
        self.records: list[Record] = []
        self.lost = 0

    def export(self, record: Record) -> None:
        self.records.append(record)

    def dropped(self) -> None:
        self.lost += 1


def test_the_first_records_may_be_made_at_once() -> None:
    """BentoML's base class learns the columns from the first record, and fails for those that are made meanwhile."""
    monitor = Kept()
    together = threading.Barrier(THREADS)

    def client(number: int) -> None:
        for turn in range(RECORDS):
            if turn == 0:
                together.wait(10)
            monitor.start_record()
            monitor.log(number, "client", "feature", "numerical")
            if turn == 0:
                together.wait(10)  # all records are open, and no column is known
            monitor.log_batch([turn], "prediction", "prediction", "numerical")
            monitor.stop_record()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(client, range(THREADS)))
    found = sorted((r.columns["client"][0], r.columns["prediction"][0]) for r in monitor.records)
    assert found == [(number, turn) for number in range(THREADS) for turn in range(RECORDS)]
    assert all(record.roles == {"client": "feature", "prediction": "prediction"} for record in monitor.records)


def test_columns_may_come_later() -> None:
    monitor = Kept()
    for columns in ({"a": "feature"}, {"a": "feature", "label": "target"}, {"b": "feature"}):
        monitor.start_record()
        for name, role in columns.items():
            monitor.log_batch(np.arange(3), name, role, "numerical")
        monitor.stop_record()
    first, second, third = monitor.records
    assert second.of("target") == {"label": [0, 1, 2]}
    assert (first.of("target"), list(third.columns)) == ({}, ["b"])


def test_records_within_each_other() -> None:
    outer, inner = Kept("outer"), Kept("inner")
    outer.start_record()
    outer.log(1, "a", "feature", "numerical")
    inner.start_record()
    inner.log(2, "a", "feature", "numerical")
    inner.stop_record()
    outer.log(3, "prediction", "prediction", "numerical")
    outer.stop_record()
    assert outer.records[0].columns == {"a": [1], "prediction": [3]}
    assert inner.records[0].columns == {"a": [2]}


def test_a_record_whose_body_raised_is_none() -> None:
    monitor = Kept()
    monitor.start_record()
    monitor.log(1, "a", "feature", "numerical")  # and the endpoint raises: BentoML does not end the record then
    monitor.start_record()
    monitor.log(2, "a", "feature", "numerical")
    monitor.stop_record()
    assert [record.columns for record in monitor.records] == [{"a": [2]}]


def test_names_that_bentoml_keeps_for_itself() -> None:
    monitor = Kept()
    monitor.start_record()
    monitor.log("2026", "timestamp", "feature", "categorical")
    monitor.stop_record()
    assert monitor.records[0].columns == {"timestamp_": ["2026"]}


@pytest.mark.parametrize(
    ("values", "role", "told"),
    [
        (7, "feature", "TypeError: 'int' object is not iterable"),
        ([1], "feture", "ValueError: role 'feture' is unknown; allowed: feature, prediction, target"),
        ((1 / number for number in (1, 0)), "feature", "ZeroDivisionError"),
    ],
)
def test_a_column_that_cannot_be_read_is_told(
    values: Any, role: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Kept()
    monitor.start_record()
    monitor.log(1, "a", "feature", "numerical")
    monitor.log_batch(values, "b", role, "numerical")
    monitor.stop_record()
    assert f"bentoml.monitor('income'): column 'b' is lost: {told}" in caplog.text
    assert monitor.records[0].columns == {"a": [1]}


def test_what_is_logged_outside_of_a_record_is_told(caplog: pytest.LogCaptureFixture) -> None:
    monitor = Kept()
    monitor.log(1, "a", "feature", "numerical")
    monitor.stop_record()
    assert "RuntimeError: no record has begun here" in caplog.text
    assert monitor.records == []


def test_an_export_that_fails_is_told_and_the_next_record_comes(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Kept):
        def export(self, record: Record) -> None:
            raise OSError("no room")

    monitor = Failing()
    for _ in range(5):
        monitor.start_record()
        monitor.log(1, "a", "feature", "numerical")
        monitor.stop_record()
    assert caplog.text.count("bentoml.monitor('income'): a record is lost: OSError: no room") == 3


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def test_an_error_that_cannot_be_shown_is_told_by_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Kept):
        def export(self, record: Record) -> None:
            raise Unspeakable

    monitor = Failing()
    monitor.start_record()
    monitor.log(1, "a", "feature", "numerical")
    monitor.stop_record()
    assert "a record is lost: Unspeakable" in caplog.text


def test_a_record_that_ends_where_none_began_is_told_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    monitor = Kept()
    monitor.start_record()
    monitor.log(1, "a", "feature", "numerical")
    contextvars.Context().run(monitor.stop_record)
    assert "a record is lost: RuntimeError: no record has begun here" in caplog.text
    assert (monitor.records, monitor.lost) == ([], 1)


def test_another_thread_of_the_request_finds_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream runs each of its steps in a context of its own: what they share is the request."""
    scope: dict[str, Any] = {}
    monkeypatch.setattr("vedette_bentoml.graph.request_scope", lambda: scope)
    monitor = Kept()
    monitor.start_record()
    for step in (
        lambda: monitor.log(1, "a", "feature", "numerical"),
        lambda: monitor.log("no", "prediction", "prediction", "categorical"),
        monitor.stop_record,
    ):
        contextvars.Context().run(step)
    assert [record.columns for record in monitor.records] == [{"a": [1], "prediction": ["no"]}]
    assert scope == {"vedette.records": {}}


def test_two_monitors_of_one_name_are_one_replica() -> None:
    """BentoML makes two when the first requests come at once, and keeps one of them."""
    options = {"url": "http://127.0.0.1:9"}
    first, second = VedetteMonitor("twins", **options), VedetteMonitor("twins", **options)
    assert first.tap is not None
    assert second.tap is first.tap
    assert second.labels is first.labels
    other = VedetteMonitor("other", **options)
    assert other.tap is not first.tap
    for monitor in (first, second, other):
        monitor.close(0.1)
    again = VedetteMonitor("twins", **options)
    assert again.tap is not None, "one that is closed is shared no more"
    again.close(0.1)
