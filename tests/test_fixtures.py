"""The stores that tests get are new, empty, and gone afterwards."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import func, select

from vedette.store.database import Store
from vedette.store.tables import metadata

used: list[str] = []


def test_a_store_is_new_and_empty(store_url: str) -> None:
    store = Store(store_url)
    with store.read() as connection:
        tables = [table for table in metadata.sorted_tables if table.name != "meta"]  # it has the schema's number
        rows = [connection.scalar(select(func.count()).select_from(table)) for table in tables]
    store.close()
    assert rows
    assert sum(rows) == 0
    used.append(store_url)


def test_databases_are_dropped(postgres_url: str) -> None:
    server = postgres_url.rpartition("/")[0]
    for url in used:
        if url.startswith("postgresql"):
            name = url.rpartition("/")[2]
            assert url.startswith(server)
            with pytest.raises(psycopg.OperationalError, match=f'"{name}" does not exist'):
                psycopg.connect(url)
