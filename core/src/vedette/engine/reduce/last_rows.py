"""When rows came last, for rules about silence."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sqlalchemy import Connection

from vedette.store import panes, predictions
from vedette.store.series import Series


def last_row(connection: Connection, model: str, known: Iterable[tuple[Series, bool]], at: float) -> float:
    """Event time, up to `at`, of the last row that any of the monitors has counted; one that has counted none has
    been silent since it was deployed.

    known: (series, whether it counts rows when their labels come). It is known to a tick, and to a batch where the
    monitor counts rows as they come; what lies between is taken for traffic, since an alarm that is late by a tick is
    better than one that pages for nothing.
    """
    latest = predictions.latest_before(connection, model, at)
    return max((_of(connection, row, labelled, latest, at) for row, labelled in known), default=-math.inf)


def _of(connection: Connection, row: Series, labelled: bool, latest: float | None, at: float) -> float:
    tick = panes.last_tick(connection, row.id, math.ceil(at / row.tick), labelled)
    if tick is None:
        return row.created
    begun, ended = tick * row.tick, min((tick + 1) * row.tick, at)
    exact = latest is not None and not labelled and begun <= latest < ended
    return latest if exact and latest is not None else ended
