"""The file sink: JSON lines, written once whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from vedette.components.sinks import file as module
from vedette.components.sinks.file import File
from vedette.testing import Subject, check_component
from vedette_specs import Event


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path: Path) -> list[str]:
    return [line["id"] for line in lines(path)]


def test_conformance(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    outcomes = check_component(Subject(File(str(path)), delivered=lambda: ids(path)))
    assert outcomes["an_event_is_delivered_once"] == "passed"
    assert outcomes["every_kind_of_event_is_taken"] == "passed"
    assert outcomes["many_events_are_each_delivered_once"] == "passed"


def test_a_line_is_the_event_as_json(tmp_path: Path, make_event) -> None:
    path = tmp_path / "deep" / "folder" / "events.jsonl"
    event = make_event(value=float("nan"), text="naïve\nline")
    File(str(path), fsync=True).emit(event)
    assert lines(path) == [event.to_json()]
    assert lines(path)[0]["payload"] == {"value": None, "text": "naïve\nline"}


def test_what_stands_in_the_file_is_not_written_again(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        sink = File(str(path))
        for i in range(5):
            sink.emit(make_event(f"e-{i}"))
        sink.close()
    assert ids(path) == [f"e-{i}" for i in range(5)]


def test_two_sinks_on_one_file_see_each_other(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    one, other = File(str(path)), File(str(path))
    one.emit(make_event("a"))
    other.emit(make_event("b"))
    one.emit(make_event("b"))
    other.emit(make_event("a"))
    assert ids(path) == ["a", "b"]


def test_a_torn_last_line_is_left_and_the_event_written_whole(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    File(str(path)).emit(make_event("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b'"a"', b'"b"')[:30])  # the process died while writing b
    sink = File(str(path))
    sink.emit(make_event("b"))
    sink.emit(make_event("b"))
    sink.emit(make_event("c"))
    first, torn, *rest = path.read_bytes().splitlines()
    assert json.loads(first)["id"] == "a"
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
    assert [json.loads(line)["id"] for line in rest] == ["b", "c"]


def test_a_rotated_file_is_begun_anew(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    sink = File(str(path))
    sink.emit(make_event("a"))
    path.rename(tmp_path / "events.jsonl.1")
    sink.emit(make_event("b"))
    sink.emit(make_event("a"))  # still remembered, though the file is another
    assert ids(path) == ["b"]


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    sink = File(str(path))
    for i in range(3):
        sink.emit(make_event(f"e-{i}"))
    path.write_text("")
    sink.emit(make_event("e-9"))
    assert ids(path) == ["e-9"]


def test_only_the_tail_of_a_long_file_is_read(tmp_path: Path, make_event, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    first = File(str(path))
    for i in range(50):
        first.emit(make_event(f"e-{i}"))
    monkeypatch.setattr(module, "TAIL", 400)
    sink = File(str(path))
    sink.emit(make_event("e-49"))
    assert len(ids(path)) == 50
    sink.emit(make_event("e-0"))  # beyond memory: written again rather than lost
    assert len(ids(path)) == 51


def test_a_place_that_cannot_be_written_raises(tmp_path: Path, make_event) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(OSError):
        File(str(blocked / "events.jsonl")).emit(make_event())


def test_strange_lines_are_passed_over(tmp_path: Path, make_event) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'[1]\n"x"\n\xff\xfe\n\n{"no": "id"}\n')
    File(str(path)).emit(make_event("a"))
    assert json.loads(path.read_bytes().splitlines()[-1])["id"] == "a"
    assert stat.S_ISREG(path.stat().st_mode)


def _write(path: str, worker: int) -> None:
    sink = File(path)
    for i in range(40):
        sink.emit(Event(f"e-{i}", "alert", "m", "d", "", 1.0, {"worker": worker, "pad": "x" * 5000}))


def test_processes_that_write_at_once_write_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(str(path), k)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(ids(path)) == sorted(f"e-{i}" for i in range(40))
