"""The latest result of every window and segment, for the page and for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import and_, func, select

from vedette.engine.reasons import unreliable
from vedette.engine.service import Service
from vedette.store import series
from vedette.store.results import StoredResult
from vedette.store.tables import results as table

Result = Mapping[str, Any]


def latest_results(service: Service) -> list[Result]:
    """One a (monitor, window, segment) of the series that run; in the order of the plan, all rows before segments."""
    with service.store.read() as connection:
        running = [s.id for s in series.active(connection, service.model)]
        keys = table.c.series, table.c.window, table.c.segment
        ends = select(*keys, func.max(table.c.end).label("last")).where(table.c.series.in_(running)).group_by(*keys)
        newest = ends.subquery()
        same = and_(*(table.c[key.name] == newest.c[key.name] for key in keys), table.c.end == newest.c.last)
        rows = connection.execute(select(table).join(newest, same)).all()
        found = [StoredResult(**{**row._mapping, "body": json.loads(row.body)}).to_json() for row in rows]
    order = {spec.name: i for i, spec in enumerate(service.plan.monitors)}
    last = len(order)
    return sorted(found, key=lambda r: (order.get(r["monitor"], last), r["segment"] != "", r["window"], r["segment"]))


def numbers(result: Result) -> Iterator[tuple[str, str, float]]:
    """(value, column, number) of all that is known and may be relied on; column "" for the whole."""
    few = unreliable(result["details"])
    for name, value in result["values"].items():
        if name in few:
            continue
        cells = value.items() if isinstance(value, Mapping) else [("", value)]
        for column, number in cells:
            if isinstance(number, int | float):
                yield name, str(column), float(number)
