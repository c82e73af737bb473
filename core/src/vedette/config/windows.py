"""Windows: by name, as a mapping, as a duration (`7d`), as rows (`1000 rows`), `lifetime`, or `month`."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from functools import reduce
from typing import get_args

from vedette.config.models import Period, WindowSection
from vedette.config.plan import WindowSpec
from vedette.config.resolving import Context
from vedette.config.tree import Path
from vedette.config.values import (
    DURATION_PATTERN,
    ROWS_PATTERN,
    format_duration,
    parse_duration,
    parse_rows,
)

DEFAULT_ROWS = 1000
PARTS = 4  # a window moves by a quarter of itself where `every` is absent
MAX_TICKS = 100_000
LIFETIME_EVERY = 60.0
SINCE_EVERY = 3600.0
FORMS = ("span", "last", "lifetime", "calendar", "half_life", "since")
BELONG = {"zone": "calendar", "longest": "since"}  # keys that say something about one form only


def default_window() -> WindowSpec:
    return _rows_window("", DEFAULT_ROWS)


def resolve_windows(ctx: Context, path: Path, items: Sequence[str | WindowSection]) -> tuple[WindowSpec, ...]:
    """A monitor's windows; faults for unknown names, for one twice, and for ticks too fine for a span."""
    found: list[WindowSpec] = []
    for index, item in enumerate(items):
        where = (*path, index)
        window = _text(ctx, where, item) if isinstance(item, str) else section_window(ctx, where, "", item)
        if window is None:
            continue
        if window.name in {other.name for other in found}:
            ctx.fault(where, f"the window {window.name!r} stands here twice")
            continue
        found.append(window)
    _check_ticks(ctx, path, found)
    return tuple(found)


def section_window(ctx: Context, path: Path, name: str, section: WindowSection) -> WindowSpec | None:
    """A window written as a mapping; None after a fault."""
    given = [key for key in FORMS if getattr(section, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        ctx.fault(path, f"a window has exactly one of {', '.join(FORMS[:-1])} and {FORMS[-1]}; found {found}", key=True)
        return None
    for key, needs in BELONG.items():
        if key in section.model_fields_set and given[0] != needs:
            ctx.fault((*path, key), f"{key}: belongs to {needs!r}, not to {given[0]!r}", key=True)
            return None
    try:
        every = None if section.every is None else _every(section)
    except ValueError as error:
        ctx.fault((*path, "every"), f"every: {error}")
        return None
    if section.last is not None and section.grace:
        ctx.fault((*path, "grace"), "a window of rows has no grace: it ends with a row, not at a time")
        return None
    whole = section.last or section.span or section.half_life or (section.longest if section.since else None)
    if every is not None and whole is not None and every > whole:
        ctx.fault(
            (*path, "every"), "every: rows between two windows would be in none; it is at most the window's length"
        )
        return None
    built = _build(section, every)
    return WindowSpec(**{**vars(built), "name": name or built.name, "min_rows": section.min, "grace": section.grace})


def _every(section: WindowSection) -> float:
    return float(parse_rows(section.every)) if section.last is not None else parse_duration(section.every)


def _build(section: WindowSection, every: float | None) -> WindowSpec:
    if section.last is not None:
        return _rows_window("", section.last, every)
    if section.span is not None:
        return _span_window("", section.span, every)
    if section.calendar is not None:
        return _calendar_window("", section.calendar, section.zone, every)
    if section.half_life is not None:
        step = every or _quarter(section.half_life)
        return WindowSpec(f"half-life {format_duration(section.half_life)}", half_life=section.half_life, every=step)
    if section.since is not None:
        name = f"since {section.since}"
        return WindowSpec(name, span=section.longest, since=section.since, every=every or SINCE_EVERY)
    return WindowSpec("lifetime", lifetime=True, every=every or LIFETIME_EVERY)


def _calendar_window(name: str, period: str, zone: str, every: float | None = None) -> WindowSpec:
    standard = period if zone == "UTC" else f"{period} {zone}"
    return WindowSpec(name or standard, calendar=period, zone=zone, every=every or 0.0)


def _text(ctx: Context, path: Path, text: str) -> WindowSpec | None:
    names = ctx.written("windows")
    if text in names:
        section = ctx.document.windows.get(text)
        return None if section is None else section_window(ctx.trial(), ("windows", text), text, section)
    try:
        if text == "lifetime":
            return WindowSpec("lifetime", lifetime=True, every=LIFETIME_EVERY)
        if text in get_args(Period):
            return _calendar_window(text, text, "UTC")
        if re.match(DURATION_PATTERN, text):
            return _span_window(text, parse_duration(text))
        if re.match(ROWS_PATTERN, text):
            return _rows_window(text, parse_rows(text))
    except ValueError as error:
        ctx.fault(path, f"window: {error}")
        return None
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    declared = f"one of {', '.join(names)}, " if names else ""
    known = f"{declared}a duration ('7d'), '1000 rows', lifetime, {', '.join(get_args(Period))}"
    hint = f"did you mean {close[0]!r}?" if close else f"allowed: {known}"
    ctx.fault(path, f"there is no window {text!r}; {hint}")
    return None


def _rows_window(name: str, rows: int, every: float | None = None) -> WindowSpec:
    quarter = float(math.ceil(rows / PARTS))
    step = quarter if every is None else every
    standard = f"{rows} rows" + ("" if step == quarter else f" every {step:g}")
    return WindowSpec(name or standard, rows=rows, every=step)


def _span_window(name: str, span: float, every: float | None = None) -> WindowSpec:
    """A quarter as the step."""
    quarter = _quarter(span)
    step = quarter if every is None else every
    standard = format_duration(span) + ("" if step == quarter else f" every {format_duration(step)}")
    return WindowSpec(name or standard, span=span, every=step)


def _quarter(span: float) -> float:
    """Unless that is no whole number of milliseconds: then the whole span."""
    return span / PARTS if round(span * 1000) % PARTS == 0 else span


def _check_ticks(ctx: Context, path: Path, windows: Sequence[WindowSpec]) -> None:
    times = [t for w in windows for t in w.times]
    spans = [w for w in windows if w.reach]
    if not times or not spans:
        return
    tick = reduce(math.gcd, [max(1, round(t * 1000)) for t in times]) / 1000
    longest = max(spans, key=lambda w: w.reach)
    count = round(longest.reach / tick)
    if count > MAX_TICKS:
        all_times = ", ".join(sorted({format_duration(t) for t in times}))
        ctx.fault(
            path,
            f"the window {longest.name!r} would be {count} ticks of {format_duration(tick)} (the greatest common "
            f"divisor of {all_times}); at most {MAX_TICKS} are allowed"
            + ("; put windows of rows into a monitor of their own" if any(w.rows for w in windows) else ""),
        )
