"""Events as rows of an SQLite table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from vedette_specs import Event, Sink

CREATE = """
create table if not exists events (
    id text primary key, kind text, model text, monitor text, segment text, time real, payload text
)
"""


class Table(Sink):
    """Inserts each event once: its id is the primary key of table `events`.

    path: the database file, made when missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def emit(self, event: Event) -> None:
        body = event.to_json()
        row = [*(body[key] for key in ("id", "kind", "model", "monitor", "segment", "time"))]
        with closing(sqlite3.connect(self.path, timeout=10)) as database, database:
            database.execute(CREATE)
            database.execute(
                "insert or ignore into events values (?, ?, ?, ?, ?, ?, ?)",
                [*row, json.dumps(body["payload"], default=str)],
            )
