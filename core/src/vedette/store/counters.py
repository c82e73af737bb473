"""Counts over all replicas of a model: rows taken in, taken over, fenced, corrected."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from vedette.store.database import upsert
from vedette.store.tables import counters


def add(connection: Connection, model: str, counts: Mapping[str, int]) -> None:
    """Raise counters, in one order for all so that two replicas never wait for each other."""
    for name, count in sorted(counts.items()):
        values = {"model": model, "name": name, "value": count}
        upsert(connection, counters, values, ("model", "name"), {}, raised=("value",))


def totals(connection: Connection, model: str) -> dict[str, int]:
    query = select(counters.c.name, counters.c.value).where(counters.c.model == model)
    return {name: int(value) for name, value in connection.execute(query)}
