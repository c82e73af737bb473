"""What the series of a pool wait for: one question for all of them, since nearly always the answer is nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, bindparam, exists, false, or_, select, true

from vedette.store.series import Series
from vedette.store.tables import panes, recomputes, results, series


@dataclass(frozen=True)
class Waiting:
    """parts: whether there are some to merge.  ticks: to rebuild, since labels in them were corrected.

    revisions: whether there are results whose ticks have changed, or that no rule has judged yet.
    """

    series: Series
    parts: bool
    ticks: bool
    revisions: bool

    @property
    def anything(self) -> bool:
        return self.parts or self.ticks or self.revisions


_OPEN = exists().where(panes.c.series == series.c.id, panes.c.closed == false())
_ASKED = exists().where(recomputes.c.series == series.c.id)
_DIRTY = exists().where(results.c.series == series.c.id, results.c.dirty == true())
_UNJUDGED = exists().where(results.c.series == series.c.id, results.c.judged == false())
_IN_TIME = or_(series.c.status != "retired", series.c.ended.is_(None), series.c.ended >= bindparam("since"))
_QUERY = (
    select(series, _OPEN.label("parts"), _ASKED.label("ticks"), or_(_DIRTY, _UNJUDGED).label("revisions"))
    .where(series.c.model == bindparam("model"), series.c.pool == bindparam("pool"), _IN_TIME)
    .order_by(series.c.id)
)
_COLUMNS = [field.name for field in fields(Series)]


def of_pool(connection: Connection, model: str, pool: str, since: float) -> list[Waiting]:
    """Series that take rows, and those for which something waits that were retired no earlier than `since`."""
    found = []
    for row in connection.execute(_QUERY, {"model": model, "pool": pool, "since": since}).mappings():
        one = Waiting(
            Series(**{name: row[name] for name in _COLUMNS}), bool(row["parts"]), bool(row["ticks"]),
            bool(row["revisions"]),
        )  # fmt: skip
        if one.series.status != "retired" or one.anything:
            found.append(one)
    return found
