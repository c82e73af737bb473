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


def _alerts_remember_more(connection: Connection) -> None:
    states = tables.alert_states
    for column in ("lapsed", "lapsed_since", "told", "withheld", "acknowledged", "memory"):
        _add_column(connection, states.c[column])
    connection.execute(states.update().where(states.c.state == "firing").values(told="firing"))
    tables.silences.create(connection, checkfirst=True)


def _unjudged_results_are_found(connection: Connection) -> None:
    index = next(i for i in tables.results.indexes if i.name == "results_unjudged")
    index.create(connection, checkfirst=True)


def _add_column(connection: Connection, column: Column[Any]) -> None:
    """Unless it is there: the first step makes the tables as this version knows them."""
    table = column.table.name
    if column.name in {known["name"] for known in inspect(connection).get_columns(table)}:
        return
    kind = column.type.compile(connection.dialect)
    default = "" if column.server_default is None else f" DEFAULT '{_text(column.server_default)}'"
    null = "" if column.nullable else " NOT NULL"
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column.name} {kind}{null}{default}"))


def _text(default: Any) -> str:
    return str(default.arg)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _first,
    _predictions_know_their_bundle,
    _alerts_remember_more,
    _unjudged_results_are_found,
)


def migrate(connection: Connection) -> None:
    """Bring the schema to this version; raises RuntimeError when it is newer than this version knows."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '10min'"))  # another's step may take long on a full table
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
