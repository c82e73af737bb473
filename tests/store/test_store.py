"""The store: schema versions, migration by many at once, memory, the clock, sequence numbers, leases."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text

from vedette.store import labels, leases, log, outbox, panes, results, series
from vedette.store.database import BadStoreURL, Store, StoreError
from vedette.store.leases import LeaseLost
from vedette.store.panes import Pane, PartsChanged
from vedette.store.results import StoredResult
from vedette.store.tables import labels as labels_table
from vedette.store.tables import metadata, producers


@pytest.fixture
def store(store_url: str) -> Store:
    return Store(store_url)


def test_a_newer_schema_is_refused(store_url: str) -> None:
    store = Store(store_url)
    with store.write() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE name = 'schema_version'"))
    store.close()
    with pytest.raises(StoreError, match=r"version 99.*install a newer Vedette"):
        Store(store_url)


def test_opening_again_changes_nothing(store_url: str) -> None:
    first = Store(store_url)
    with first.write() as connection:
        number = series.start(connection, "m", "stats", "m/default", "f", "d", 1.0, 0.0)
    second = Store(store_url)
    with second.read() as connection:
        assert [s.id for s in series.active(connection, "m")] == [number]
    first.close()
    second.close()


def _open(url: str, failures: multiprocessing.Queue[str]) -> None:
    try:
        store = Store(url)
        with store.read() as connection:
            for table in metadata.sorted_tables:
                connection.execute(select(table).limit(1)).all()
        store.close()
    except Exception as error:
        failures.put(f"{type(error).__name__}: {error}")


def test_many_processes_open_a_new_store_at_once(store_url: str) -> None:
    context = multiprocessing.get_context("fork")
    failures: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_open, args=(store_url, failures)) for _ in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert failures.empty(), failures.get()


def test_threads_open_new_files_at_once(tmp_path: Path) -> None:
    """Switching a new file to WAL is refused at once while another switches it: one of fifteen files, without care."""
    for number in range(60):
        url, ready = f"sqlite:///{tmp_path / f'{number}.db'}", threading.Barrier(6)

        def opened(url: str = url, ready: threading.Barrier = ready) -> None:
            ready.wait(10)
            Store(url).close()

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(opened) for _ in range(6)]:
                done.result(60)


def test_a_path_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no/such/folder"):
        Store(f"sqlite:///{tmp_path}/no/such/folder/x.db")
    with pytest.raises(StoreError) as caught:
        Store("postgresql://user:secret@localhost:1/none")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown", "problem"),
    [
        ("mysql://user:secret@localhost/x", "'mysql://user:***@localhost/x'", "the database 'mysql', which is not"),
        ("postgresql+asyncpg://localhost/x", "'postgresql+asyncpg://localhost/x'", "'postgresql+asyncpg', which"),
        ("postgresql://user:sec:ret@h:port/x", "'postgresql://user:***@h:port/x'", "is no database URL"),
        ("postgresql://h:port/x?password=secret&a=b", "'postgresql://h:port/x?password=***&a=b'", "is no database URL"),
        ("vedette.db", "'vedette.db'", "is no database URL"),
    ],
)
def test_a_url_that_no_store_has_is_bad_input(url: str, shown: str, problem: str) -> None:
    with pytest.raises(BadStoreURL) as caught:
        Store(url)
    said = str(caught.value)
    assert shown in said
    assert problem in said
    assert "allowed: sqlite:///file.db, postgresql://" in said
    assert isinstance(caught.value, ValueError)  # the command line leaves with 2


def test_a_store_in_memory_is_one_for_all_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = Store("sqlite://")

    def take(i: int) -> None:
        with store.write() as connection:
            log.raise_seq(connection, "m/default", "p", i, 0.0, 0.0, {})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(1, 60)))
    with store.read() as connection:
        assert connection.scalar(select(producers.c.seq)) == 59
    store.close()


def test_a_write_that_raises_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as connection:
            series.start(connection, "m", "stats", "m/default", "f", "d", 1.0, 0.0)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    with store.read() as connection:
        assert series.active(connection, "m") == []
    store.close()


def test_the_clock_is_the_databases(store: Store) -> None:
    assert abs(store.now() - time.time()) < 5.0
    with store.write() as connection:
        before = store.now(connection)
        time.sleep(0.02)
        assert store.now(connection) > before  # not frozen at the transaction's start
    store.close()


class TestSequence:
    def raised(self, store: Store, seq: int, low: float = 0.0) -> bool:
        with store.write() as connection:
            return log.raise_seq(connection, "m/default", "p", seq, low, 1.0, {"offered": seq})

    def row(self, store: Store) -> tuple[int, float, int]:
        with store.read() as connection:
            row = connection.execute(select(producers)).one()
            return row.seq, row.low, row.duplicates

    def test_new_duplicate_and_stale(self, store: Store) -> None:
        assert [self.raised(store, s) for s in (1, 1, 2, 1, 2, 3)] == [True, False, True, False, False, True]
        assert self.row(store) == (3, 0.0, 3)
        store.close()

    def test_a_heartbeat_never_lowers_what_a_batch_said_and_is_not_counted(self, store: Store) -> None:
        assert self.raised(store, 0, 5.0)
        assert self.raised(store, 1, 10.0)
        assert self.raised(store, 0, 7.0)
        assert self.row(store) == (1, 10.0, 0)
        assert self.raised(store, 0, 12.0)
        assert self.row(store) == (1, 12.0, 0)
        store.close()


class TestLeases:
    def acquire(self, store: Store, holder: str, now: float) -> leases.Lease | None:
        with store.write() as connection:
            return leases.acquire(connection, "m/default", 0, holder, now, 10.0)

    def test_one_holder_until_it_expires(self, store: Store) -> None:
        first = self.acquire(store, "a", 0.0)
        assert first is not None
        assert self.acquire(store, "b", 9.0) is None
        renewed = self.acquire(store, "a", 9.0)
        assert renewed == first
        second = self.acquire(store, "b", 19.5)
        assert second is not None
        assert second.epoch == first.epoch + 1
        with pytest.raises(LeaseLost), store.write() as connection:
            leases.check(connection, first)
        store.close()

    def test_released_is_free_at_once_and_a_late_release_frees_nothing(self, store: Store) -> None:
        first = self.acquire(store, "a", 0.0)
        assert first is not None
        with store.write() as connection:
            leases.release(connection, first)
        second = self.acquire(store, "b", 0.5)
        assert second is not None
        with store.write() as connection:
            leases.release(connection, first)
        assert self.acquire(store, "c", 1.0) is None
        store.close()

    def test_the_watermark_never_goes_back(self, store: Store) -> None:
        lease = self.acquire(store, "a", 0.0)
        assert lease is not None
        with store.write() as connection:
            assert [leases.raise_watermark(connection, lease, v) for v in (5.0, 3.0, 7.0)] == [5.0, 5.0, 7.0]
        store.close()


class TestPanes:
    def part(self, tick: int, rows: int = 1, closed: bool = False, segment: str = "") -> Pane:
        return Pane(1, segment, tick, rows, None, closed=closed)

    def test_open_parts_come_in_whole_ticks(self, store: Store) -> None:
        with store.write() as connection:
            panes.insert(connection, [self.part(t) for t in (3, 1, 2, 1, 1, 9)])
        with store.read() as connection:
            assert [p.tick for p in panes.open_parts(connection, 1, 9, 2)] == [1, 1, 1]
            assert [p.tick for p in panes.open_parts(connection, 1, 9, 100)] == [1, 1, 1, 2, 3]
            assert panes.open_parts(connection, 1, 1, 100) == []
        store.close()

    def test_replacing_what_is_gone_writes_nothing(self, store: Store) -> None:
        with store.write() as connection:
            panes.insert(connection, [self.part(1, 5)])
        with store.read() as connection:
            (old,) = panes.open_parts(connection, 1, 9, 9)
        with pytest.raises(PartsChanged), store.write() as connection:
            panes.replace(connection, [old.id, old.id + 7], [self.part(1, 50, closed=True)])
        with store.read() as connection:
            assert panes.totals(connection, 1) == (5, 0)
        store.close()

    def test_the_latest_ticks_that_hold_enough_rows(self, store: Store) -> None:
        with store.write() as connection:
            panes.insert(connection, [self.part(t, n, closed=True) for t, n in ((1, 9), (2, 3), (5, 4), (7, 2))])
            panes.insert(connection, [self.part(8, 100)])
        with store.read() as connection:
            assert [panes.closed_ticks(connection, 1, "", n) for n in (1, 2, 3, 6, 7, 99)] == [7, 7, 5, 5, 2, 1]
            assert panes.closed_ticks(connection, 1, "elsewhere", 1) is None
        store.close()


def test_segments_beyond_a_hundred_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SEGMENTS", 3)
    with store.write() as connection:
        number = series.start(connection, "m", "stats", "m/default", "f", "d", 1.0, 0.0)
        names = [series.segment_name(connection, number, f"region={r}") for r in "abcdebfa"]
    assert names == [f"region={r}" if r != "other" else r for r in ("a", "b", "c", "other", "other", "b", "other", "a")]
    store.close()


def test_two_replicas_never_take_the_last_segment_both(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(series, "MAX_SEGMENTS", 5)
    store = Store(postgres_url)
    with store.write() as connection:
        number = series.start(connection, "m", "stats", "m/default", "f", "d", 1.0, 0.0)

    def name(i: int) -> str:
        with store.write() as connection:
            return series.segment_name(connection, number, f"s{i % 20}")

    with ThreadPoolExecutor(4) as threads:
        names = list(threads.map(name, range(60)))
    assert len(set(names) - {"other"}) == 5
    store.close()


def test_a_blank_result_is_seen_by_nobody_and_gives_way_to_none(store: Store) -> None:
    blank = StoredResult(1, "m", "stats", "w", "", 0.0, 10.0, results.BLANK, 0, "insufficient", {}, dirty=True)
    real = StoredResult(1, "m", "stats", "w", "", 10.0, 20.0, 0, 3, "ok", {"values": {}})
    with store.write() as connection:
        results.put(connection, real)
        results.begin(connection, blank)
        results.begin(connection, StoredResult(**{**blank.__dict__, "start": 10.0, "end": 20.0}))
    with store.read() as connection:
        assert [(r.end, r.revision, r.n) for r in results.query(connection, "m")] == [(20.0, 0, 3)]
        assert [r.end for r in results.dirty(connection, 1)] == [10.0]
    store.close()


def test_dirty_windows_overlap_their_tick(store: Store) -> None:
    spans = {"before": (0.0, 10.0), "holds": (5.0, 15.0), "after": (11.0, 20.0), "whole": (12.0, 30.0)}
    with store.write() as connection:
        for window, (start, end) in spans.items():
            results.put(connection, StoredResult(1, "m", "s", window, "", start, end, 0, 1, "ok", {}))
        assert results.mark_dirty(connection, 1, "", 10.0, 11.0, folded="tick", lifetimes=["whole"]) == 2
    with store.read() as connection:
        assert {r.window for r in results.dirty(connection, 1)} == {"holds", "whole"}
    store.close()


def test_labels_wait_ever_longer_for_their_prediction(store: Store) -> None:
    row = {"request": "r", "row": 0, "annotator": "", "value": "yes", "time": 0.0}
    with store.write() as connection:
        labels.add(connection, "m", [row], 0.0)
    now, waits = 0.0, []
    for _ in range(11):
        with store.write() as connection:
            (waiting,) = labels.pending(connection, "m", now, 10)
            labels.postpone(connection, [waiting], now)
            retry = float(connection.scalar(select(labels_table.c.retry_at)) or 0.0)
        waits.append(retry - now)
        now = retry
    assert waits == sorted(waits)
    assert waits[0] == 0.25
    assert waits[-1] == 60.0
    store.close()


def test_what_the_outbox_holds_is_json(store: Store) -> None:
    from vedette.config.plan import ComponentSpec, Plan, SinkSpec
    from vedette.store.tables import outbox as outbox_table
    from vedette_specs.results import Event
    from vedette_specs.schema import Schema

    plan = Plan("m", Schema(), sinks=(
        SinkSpec("all", ComponentSpec("sink", "log")),
        SinkSpec("pages", ComponentSpec("sink", "log"), events=("alert",), severity=("page",)),
    ))  # fmt: skip
    warn, page = (
        Event(s, "alert", "m", "stats", "", 1.0, {"severity": s, "x": float("nan")}) for s in ("warn", "page")
    )
    with store.write() as connection:
        for event in (warn, page, Event("r", "result", "m", "stats", "", 1.0, {})):
            outbox.put(connection, plan, event, 0.0)
    with store.read() as connection:
        rows = connection.execute(select(outbox_table.c.sink, outbox_table.c.event_id, outbox_table.c.body)).all()
    assert {(r.sink, r.event_id) for r in rows} == {("all", "warn"), ("all", "page"), ("all", "r"), ("pages", "page")}
    assert json.loads(rows[0].body)["payload"]["x"] is None
    store.close()
