"""Processes that are killed, monitors that are away, and the end: predictions go on, and every row is counted."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.mlflow.conftest import MODEL
from tests.mlflow.servers import Registry, Server, gone, until

SCORING, MONITORS = "vedette_mlflow.scoring", "vedette_mlflow.monitoring"


@pytest.fixture(scope="module")
def spooled(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers whose taps have a spool: what they took in outlives them."""
    folder = tmp_path_factory.mktemp("spooled")
    yaml = registry.yaml(folder, f"tap: {{spool: {folder}/spool}}\n")
    server = registry.serve(folder, "-m", MODEL, "-c", yaml, "--workers", "2")
    try:
        yield server.wait_ready()
    finally:
        server.stop()


class Sent:
    """Rows that were answered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.rows = 0

    def predict(self, requests: int, rows: int = 3) -> None:
        for _ in range(requests):
            assert self.server.predict(rows).status == 200
            self.rows += rows


def test_killed_processes_are_started_again_and_rows_are_counted_once(spooled: Server) -> None:
    sent = Sent(spooled)
    sent.predict(20)
    until(lambda: spooled.counted() == sent.rows)

    (monitors,) = spooled.children(MONITORS)
    os.kill(monitors, signal.SIGKILL)
    sent.predict(20)  # without monitors
    until(lambda: spooled.children(MONITORS) not in ([], [monitors]))
    until(lambda: spooled.counted() == sent.rows)

    first, second = spooled.children(SCORING)
    os.kill(first, signal.SIGKILL)
    until(lambda: gone(first))
    sent.predict(20)  # by the other one
    assert second in spooled.children(SCORING)
    until(lambda: len(set(spooled.children(SCORING)) - {first}) == 2)
    until(lambda: spooled.counted() == sent.rows)
    assert spooled.metric("vedette_dropped_rows_total") == 0
    assert "scoring 1 process ended with -9; it is started again" in spooled.errors()
    assert "monitors process ended with -9; it is started again" in spooled.errors()


def test_a_supervisor_that_is_killed_leaves_nobody_behind(spooled: Server) -> None:
    """The last test of the module: the port becomes free, and what was answered is counted by who comes next."""
    before = spooled.counted()
    sent = Sent(spooled)
    sent.predict(5)
    children = [*spooled.children(SCORING), *spooled.children(MONITORS)]
    assert len(children) == 3
    spooled.process.kill()
    spooled.process.wait()
    until(lambda: all(gone(child) for child in children))
    with pytest.raises(OSError):
        spooled.ask("GET", "/ping")
    assert rows_in(spooled.folder) == before + sent.rows


def test_the_end_drains_and_drops_are_counted(registry: Registry, tmp_path: Path) -> None:
    """Monitors that stand still fill a small buffer; what it cannot hold is told. What it holds is not lost at the
    end, although SIGTERM comes right behind the last answer."""
    yaml = registry.yaml(tmp_path, "tap: {buffer: 50 rows}\n")
    server = registry.serve(tmp_path, "-m", MODEL, "-c", yaml).wait_ready()
    try:
        sent = Sent(server)
        sent.predict(5, rows=2)
        until(lambda: server.counted() == sent.rows)
        (monitors,) = server.children(MONITORS)
        os.kill(monitors, signal.SIGSTOP)
        sent.predict(200, rows=2)
        os.kill(monitors, signal.SIGCONT)
        dropped = int(until(lambda: server.metric("vedette_dropped_rows_total")))
        sent.predict(10, rows=2)
    finally:
        code = server.stop()
    assert code == 0
    assert "drained and stopped" in server.errors()
    assert 0 < dropped < sent.rows
    assert rows_in(tmp_path) == sent.rows - int(counter(tmp_path, "dropped_rows"))


def rows_in(folder: Path) -> int:
    """Rows of predictions that the store has."""
    with closing(sqlite3.connect(folder / "vedette.db")) as connection:
        return int(connection.execute("SELECT COALESCE(SUM(rows), 0) FROM predictions").fetchone()[0])


def counter(folder: Path, name: str) -> int:
    with closing(sqlite3.connect(folder / "vedette.db")) as connection:
        query = f"SELECT SUM(json_extract(counters, '$.{name}')) FROM producers"
        return int(connection.execute(query).fetchone()[0] or 0)
