"""What results may be asked for: a name that there is not is told, rather than answered with nothing."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection

from vedette.config.alerting import TICKS
from vedette.config.faults import did_you_mean
from vedette.config.plan import Plan
from vedette.engine.bad_request import BadRequest, Unknown
from vedette.engine.run.times import ALLOWED, seconds_of
from vedette.store import results, series
from vedette.store.series import OTHER


def moment(name: str, value: Any) -> float | None:
    """Seconds since the epoch; BadRequest for what is no time."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        return float(seconds_of(value, 1)[0])
    except (TypeError, ValueError) as error:
        raise BadRequest(name, f"{str(value)[:60]!r} is no time; allowed: {ALLOWED}") from error


def check_limit(limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise BadRequest("limit", f"{str(limit)[:40]!r} is no number of results; allowed: whole numbers from 1")


def check_names(
    connection: Connection, plan: Plan, monitor: str | None, window: str | None, segment: str | None
) -> None:
    """Unknown for a name that is neither declared nor that of a result."""
    declared = [spec for spec in plan.monitors if monitor in (None, spec.name)]
    before = {s.monitor for s in series.all_series(connection, plan.model)}
    if monitor is not None and not declared and monitor not in before:
        names = ", ".join(sorted(spec.name for spec in plan.monitors))
        raise Unknown("monitor", f"{monitor!r} is not declared; there are: {names}")
    of = "" if monitor is None else f" of {monitor!r}"
    if window is not None:
        known = (w.name for spec in declared for w in spec.windows)
        ticks = {TICKS} if any(not spec.windows for spec in declared) else set()
        windows = {*known, *ticks} | results.windows(connection, plan.model, monitor)
        if window not in windows:
            raise Unknown("window", f"there is no window {window!r}{of}{did_you_mean(str(window), windows)}")
    if not segment or segment == OTHER or any(may_be_segment(str(segment), spec.by) for spec in declared):
        return
    if not results.query(connection, plan.model, monitor, segment=segment, limit=1):
        forms = sorted({",".join(f"{name}=..." for name in spec.by) for spec in declared if spec.by})
        allowed = f"they are of the form {' or '.join(forms)}" if forms else "there are none; leave it out"
        raise Unknown("segment", f"there is no segment {segment!r}{of}; {allowed}")


def may_be_segment(segment: str, by: tuple[str, ...]) -> bool:
    """Whether a segment of these columns can have such a name; its values are for the rows to bring."""
    return bool(by) and segment.startswith(f"{by[0]}=") and all(f"{name}=" in segment for name in by)
