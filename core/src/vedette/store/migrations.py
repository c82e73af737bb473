"""Numbered forward migrations, applied under a lock when a store is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Connection, inspect, select, text

from vedette.store import tables

_LOCK = 0x7EDE77E


def _first(connection: Connection) -> None:
    tables.metadata.create_all(connection)


def _predictions_know_their_bundle(connection: Connection) -> None:
    _add_column(connection, tables.predictions.c.bundle)


def _add_column(connection: Connection, column: Column[Any]) -> None:
    """Unless it is there: the first step makes the tables as this version knows them."""
    table = column.table.name
    if column.name in {known["name"] for known in inspect(connection).get_columns(table)}:
        return
    kind = column.type.compile(connection.dialect)
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column.name} {kind} NOT NULL DEFAULT ''"))


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _predictions_know_their_bundle)


def migrate(connection: Connection) -> None:
    """Bring the schema to this version; raises RuntimeError when it is newer than this version knows."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    current = _version(connection)
    if current > len(MIGRATIONS):
        raise RuntimeError(
            f"its schema has version {current}, this Vedette knows up to {len(MIGRATIONS)}: install a newer Vedette"
        )
    for step in MIGRATIONS[current:]:
        step(connection)
    if current < len(MIGRATIONS):
        connection.execute(tables.meta.delete().where(tables.meta.c.name == "schema_version"))
        connection.execute(tables.meta.insert().values(name="schema_version", value=str(len(MIGRATIONS))))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(tables.meta.name):
        return 0
    found = connection.scalar(select(tables.meta.c.value).where(tables.meta.c.name == "schema_version"))
    return int(found) if found is not None else 0
