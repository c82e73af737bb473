"""The spool: what a killed process had captured is delivered by another, once."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tap.transports import FAST, Wire, call, dead, loses_acks, plan, until

from vedette.config.plan import TapSpec
from vedette.engine.message import Message
from vedette.engine.tap.holdings import Holdings, Shipment
from vedette.engine.tap.settings import Complaints
from vedette.engine.tap.spool import Spool
from vedette.engine.tap.spool_folder import Folder
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import TransportError

CHILD = """
import sys, time
from tests.tap.transports import FAST, Wire, call
from vedette.config.plan import TapSpec
from vedette.engine.tap.tap import Tap
from vedette.engine.message import Message
from vedette.engine.tap.transport import TransportError

root, out, sync, survive = sys.argv[1], sys.argv[2], sys.argv[3] == "sync", int(sys.argv[4])

def fault(pool, attempt, deliver):
    if attempt > survive:
        raise TransportError("down")
    with open(out, "ab", buffering=0) as file:  # what the worker has committed
        data = tap_wire.attempts[-1][1]
        file.write(len(data).to_bytes(4, "little") + data)
    if attempt % 2:
        raise TransportError("committed, but the acknowledgement is lost")

tap_wire = Wire(fault=fault)
tap = Tap(tap_wire, TapSpec(spool=root, sync=sync), timing=FAST)
i = 0
while True:
    tap.offer(call(i, request_id=str(i)))
    print(i, tap.counters().get("captured", 0), flush=True)
    i += 1
    time.sleep(0.001)
"""


def committed(path: Path) -> list[bytes]:
    data, found = path.read_bytes() if path.exists() else b"", []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


@pytest.mark.parametrize(("mode", "survive"), [("plain", 6), ("plain", 0), ("sync", 6)])
def test_a_killed_process_loses_nothing_that_was_written(tmp_path: Path, mode: str, survive: int) -> None:
    out = tmp_path / "committed"
    root = tmp_path / "spool"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), str(out), mode, str(survive)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(80 if mode == "sync" else 300)]
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    offered, captured = (int(part) for part in next(line for line in reversed(said) if line.endswith("\n")).split())
    wire = Wire(fault=loses_acks)
    for message in committed(out):
        wire["default"].apply(message)
    before = wire["default"].rows()
    tap = Tap(wire, TapSpec(spool=str(root)), timing=FAST)
    assert until(lambda: [p.name for p in root.iterdir()] == [tap.producer], 10)
    tap.close()
    ages = wire["default"].ages()
    assert len(ages) == len(set(ages))
    assert ages == list(range(len(ages)))
    assert len(ages) >= (offered + 1 if mode == "sync" else captured)
    assert len(ages) > before
    assert len({m.producer for m in wire["default"].messages}) == 1
    assert list(root.iterdir()) == []


def test_a_spool_that_is_through_leaves_nothing_behind(tmp_path: Path) -> None:
    wire = Wire("default", "heavy")
    tap = Tap(wire, TapSpec(spool=str(tmp_path)), timing=FAST)
    for i in range(50):
        tap.offer(call(i))
    assert tap.flush(5)
    assert (tmp_path / tap.producer / "lock").exists()
    tap.close()
    assert list(tmp_path.iterdir()) == []
    assert wire["heavy"].ages() == wire["default"].ages() == list(range(50))


def test_what_close_cannot_deliver_stays_and_each_pool_gets_what_it_lacks(tmp_path: Path) -> None:
    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if pool == "heavy":
            raise TransportError("down")
        deliver()

    first = Wire("default", "heavy", fault=fault)
    tap = Tap(first, TapSpec(spool=str(tmp_path)), timing=FAST)
    for i in range(20):
        tap.offer(call(i))
    assert until(lambda: first["default"].rows() == 20)
    tap.close(0.1)
    counters = tap.counters("heavy")
    assert counters["spooled_rows"] == 20
    assert "unknown_rows" not in counters
    second = Wire("default", "heavy")
    other = Tap(second, TapSpec(spool=str(tmp_path)), timing=FAST)
    assert until(lambda: second["heavy"].rows() == 20)
    other.close()
    assert second["heavy"].ages() == list(range(20))
    assert second["default"].rows() == 0
    assert {m.producer for m in second["heavy"].messages} == {tap.producer}


def test_a_living_process_is_not_robbed(tmp_path: Path) -> None:
    first = Tap(Wire(fault=dead), TapSpec(spool=str(tmp_path)), timing=FAST)
    first.offer(call(1))
    wire = Wire()
    second = Tap(wire, TapSpec(spool=str(tmp_path)), timing=FAST)
    time.sleep(0.3)
    assert wire["default"].rows() == 0
    first.close(0.05)
    assert until(lambda: wire["default"].ages() == [1.0])
    second.close()


def test_memory_overflows_into_the_spool_and_nothing_is_dropped(tmp_path: Path) -> None:
    down = [True]

    def fault(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
        if down[0]:
            raise TransportError("down", arrived=False)
        deliver()

    wire = Wire(fault=fault)
    tap = Tap(wire, TapSpec(buffer_rows=50, spool=str(tmp_path)), timing=FAST)
    for i in range(300):
        tap.offer(call(i))
        if i % 10 == 0:
            tap._held.wake.set()
            time.sleep(0.02)
        assert tap._held.rows <= 50
    assert until(lambda: tap.counters()["captured"] == 300)
    down[0] = False
    assert tap.flush(10)
    assert wire["default"].ages() == list(range(300))
    assert "dropped_rows" not in tap.counters()
    tap.close()


def shipment(seq: int, rows: int = 1, batch: bytes = b"batch") -> Shipment:
    return Shipment("p", float(seq), rows, batch, {"default": seq, "heavy": seq})


def spool(root: Path, max_bytes: int = 1 << 30) -> tuple[Spool, Holdings]:
    held = Holdings(1000, 1 << 20)
    return Spool.open(str(root), f"producer{time.monotonic_ns()}", False, held, Complaints(), max_bytes), held


@pytest.mark.parametrize("cut", [1, 5, 11, 20])
def test_a_torn_tail_is_cut_and_the_rest_is_read(tmp_path: Path, cut: int) -> None:
    writer, _ = spool(tmp_path)
    assert writer.folder is not None
    for seq in (1, 2, 3):
        writer.store(shipment(seq))
    path = writer.folder.segments[0].path
    size = path.stat().st_size
    writer.close()
    os.truncate(path, size - cut)
    folder = Folder.adopt(path.parent)
    assert folder is not None
    assert [record["seqs"]["default"] for _, record in folder.records()] == [1, 2]
    assert path.stat().st_size == size // 3 * 2
    assert [place.batch() for place, _ in folder.records()] == [b"batch", b"batch"]
    folder.close(remove=False)


def test_a_damaged_record_ends_its_segment_and_a_torn_ack_only_repeats(tmp_path: Path) -> None:
    writer, _ = spool(tmp_path)
    assert writer.folder is not None
    for seq in (1, 2):
        writer.store(shipment(seq))
    writer.folder.ack("default", 1)
    path = writer.folder.segments[0].path
    writer.close()
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\xff")
    folder = Folder.adopt(path.parent)
    assert folder is not None
    assert folder.acks == {"default": 1}
    assert [record["seqs"]["default"] for _, record in folder.records()] == [1]
    folder.close(remove=False)
    (path.parent / "ack-default").write_bytes(b"\x05" + bytes(11))
    folder = Folder.adopt(path.parent)
    assert folder is not None
    assert folder.acks == {}
    assert Folder.adopt(path.parent) is None
    folder.close(remove=True)
    assert not path.parent.exists()


def test_segments_that_all_pools_are_through_with_are_deleted(tmp_path: Path) -> None:
    writer, _ = spool(tmp_path, 8000)
    assert writer.folder is not None
    for seq in range(1, 11):
        writer.store(shipment(seq, batch=b"x" * 500))
    count = len(writer.folder.segments)
    assert count >= 4
    writer.folder.ack("default", 10)
    assert len(writer.folder.segments) == count
    writer.folder.ack("heavy", 10)
    assert len(writer.folder.segments) == 1
    assert writer.folder.done()
    writer.close()


def test_the_disk_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    writer, held = spool(tmp_path, 8000)
    shipments = [shipment(seq, batch=b"x" * 500) for seq in range(1, 101)]
    for item in shipments:
        writer.store(item)
    files = list(tmp_path.rglob("*.segment"))
    assert sum(path.stat().st_size for path in files) <= 9000
    assert held.counters()["spool_overflows"] > 0
    assert shipments[-1].load is not None
    assert shipments[-1].load() == b"x" * 500
    assert shipments[0].load is not None
    with pytest.raises(FileNotFoundError):
        shipments[0].load()
    writer.close()


def test_rows_whose_file_is_gone_are_counted_as_dropped(tmp_path: Path) -> None:
    wire = Wire(fault=dead)
    tap = Tap(wire, TapSpec(buffer_rows=2, spool=str(tmp_path)), timing=FAST)
    for i in range(5):
        tap.offer(call(i))
        assert until(lambda i=i: tap._held.captured == i + 1)  # type: ignore[misc]
    for path in tmp_path.rglob("*.segment"):
        path.unlink()
    wire.fault = None
    assert tap.flush(5)
    counters = tap.counters()
    assert counters["delivered_rows"] + counters["dropped_rows"] == 5
    assert counters["dropped_rows"] >= 2
    tap.close()


def test_a_full_disk_stops_the_spool_and_not_the_tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    tap = Tap(wire, TapSpec(spool=str(tmp_path)), timing=FAST)
    tap.offer(call(1))
    assert tap.flush(5)
    written: list[int] = []

    def full(file: int, data: memoryview) -> int:
        written.append(len(data))
        if len(written) == 1:
            return real(file, data[:10])  # half a record, then no space
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.write
    monkeypatch.setattr("vedette.engine.tap.spool_folder.os.write", full)
    size = sum(p.stat().st_size for p in tmp_path.rglob("*.segment"))
    tap.offer(call(2))
    assert tap.flush(5)
    monkeypatch.setattr("vedette.engine.tap.spool_folder.os.write", real)
    tap.offer(call(3))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0, 2.0, 3.0]
    assert tap.counters()["spool_errors"] == 1
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.segment")) == size
    tap.close()


def test_a_spool_that_cannot_be_made_costs_only_the_spool(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    wire = Wire()
    tap = Tap(wire, TapSpec(spool=str(tmp_path / "file"), sync=True), timing=FAST)
    tap.offer(call(1))
    assert tap.flush(5)
    assert wire["default"].ages() == [1.0]
    assert tap.counters()["spool_errors"] >= 1
    tap.close()


def test_pools_that_are_no_more_are_passed_over(tmp_path: Path) -> None:
    tap = Tap(Wire("default", "gone", fault=dead), TapSpec(spool=str(tmp_path)), timing=FAST)
    tap.offer(call(1))
    assert until(lambda: tap.counters().get("captured"))
    tap.close(0.1)
    wire = Wire()
    other = Tap(wire, TapSpec(spool=str(tmp_path)), timing=FAST)
    assert until(lambda: wire["default"].rows() == 1)
    assert until(lambda: len(list(tmp_path.iterdir())) == 1)
    other.close()
    assert Message.from_bytes(wire.attempts[0][1]).seq == 1
    assert plan().pools == ("default",)
