"""What waits is asked in one question, and found by indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from vedette.store import labels, outbox, panes, results, series, waiting
from vedette.store.database import Store
from vedette.store.panes import Pane
from vedette.store.results import StoredResult
from vedette.store.tables import series as series_table

POOL = "m/default"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


def begin(connection: Connection, monitor: str) -> int:
    return series.start(connection, "m", monitor, POOL, "f", "d", 60.0, 1.0)


def result(number: int, **more: Any) -> StoredResult:
    return StoredResult(number, "m", "q", "1h", "", 0.0, 3600.0, 0, 5, "ok", {}, **{"judged": True, **more})


def told(store: Store, since: float = 0.0) -> dict[str, tuple[bool, bool, bool]]:
    """parts, ticks and revisions by monitor."""
    with store.read() as connection:
        found = waiting.of_pool(connection, "m", POOL, since)
    return {one.series.monitor: (one.parts, one.ticks, one.revisions) for one in found}


def test_each_kind_is_told(store: Store) -> None:
    with store.write() as connection:
        numbers = {name: begin(connection, name) for name in ("none", "parts", "ticks", "dirty", "unjudged")}
        panes.insert(connection, [Pane(numbers["parts"], "", 1, 5, None)])
        panes.insert(connection, [Pane(numbers["none"], "", 1, 5, None, closed=True)])
        labels.ask_recompute(connection, numbers["ticks"], 1, 1.0)
        results.put(connection, result(numbers["none"]))
        results.put(connection, result(numbers["dirty"], dirty=True))
        results.put(connection, result(numbers["unjudged"], judged=False))
        series.start(connection, "other", "q", POOL, "f", "d", 60.0, 1.0)
        series.start(connection, "m", "elsewhere", "m/heavy", "f", "d", 60.0, 1.0)
    assert told(store) == {
        "none": (False, False, False),
        "parts": (True, False, False),
        "ticks": (False, True, False),
        "dirty": (False, False, True),
        "unjudged": (False, False, True),
    }


def test_of_retired_series_those_for_which_something_waits(store: Store) -> None:
    with store.write() as connection:
        numbers = {name: begin(connection, name) for name in ("done", "late", "old")}
        for name in ("late", "old"):
            panes.insert(connection, [Pane(numbers[name], "", 1, 5, None)])
        for name, ended in (("done", 100.0), ("late", 100.0), ("old", 10.0)):
            series.retire(connection, numbers[name], "changed", ended)
    assert told(store, since=50.0) == {"late": (True, False, False)}
    with store.write() as connection:  # as stores of earlier versions may have it
        connection.execute(update(series_table).where(series_table.c.id == numbers["old"]).values(ended=None))
    assert told(store, since=50.0).keys() == {"late", "old"}


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda c: waiting.of_pool(c, "m", POOL, 0.0), {"panes_by_tick", "results_dirty", "results_unjudged"}),
        (lambda c: results.dirty(c, 1), {"results_dirty"}),
        (lambda c: results.unjudged(c, 1), {"results_unjudged"}),
        (lambda c: panes.open_parts(c, 1, 5, 10), {"panes_by_tick"}),
        (lambda c: outbox.due(c, "m", 0.0), {"outbox_waiting"}),
        (lambda c: labels.pending(c, "m", 0.0, 1), {"labels_pending"}),
    ],
)
def test_what_is_asked_every_second_is_found_by_an_index(
    ask: Callable[[Connection], object], index: set[str], sqlite_url: str
) -> None:
    """SQLite takes an index of some rows only where the question says its condition in the same words."""
    store = Store(sqlite_url)
    said: list[tuple[str, Any]] = []
    with store.read() as connection:
        event.listen(store.engine, "before_cursor_execute", lambda *a: said.append((a[2], a[3])))
        ask(connection)
        asked = [one for one in said if one[0].startswith("SELECT")]
        plans = [row[3] for one in asked for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one[0]}", one[1])]
    assert all(any(f"INDEX {name} " in plan for plan in plans) for name in index), plans
    store.close()
