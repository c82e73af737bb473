"""Windows: by name, as a mapping, as a duration (`7d`), as rows (`1000 rows`), or `lifetime`."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from functools import reduce

from vedette.config.models import WindowSection
from vedette.config.plan import DEFAULT_TICK, WindowSpec
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
    forms = {"span": section.span, "last": section.last, "lifetime": section.lifetime}
    given = [key for key, value in forms.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        ctx.fault(path, f"a window has exactly one of span, last and lifetime; found {found}", key=True)
        return None
    try:
        every = None if section.every is None else _every(section)
    except ValueError as error:
        ctx.fault((*path, "every"), f"every: {error}")
        return None
    if section.last is not None and section.grace:
        ctx.fault((*path, "grace"), "a window of rows has no grace: it ends with a row, not at a time")
        return None
    whole = section.last or section.span
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
    step = every or LIFETIME_EVERY
    return WindowSpec("lifetime", lifetime=True, every=step)


def _text(ctx: Context, path: Path, text: str) -> WindowSpec | None:
    names = ctx.written("windows")
    if text in names:
        section = ctx.document.windows.get(text)
        return None if section is None else section_window(ctx.trial(), ("windows", text), text, section)
    try:
        if text == "lifetime":
            return WindowSpec("lifetime", lifetime=True, every=LIFETIME_EVERY)
        if re.match(DURATION_PATTERN, text):
            return _span_window(text, parse_duration(text))
        if re.match(ROWS_PATTERN, text):
            return _rows_window(text, parse_rows(text))
    except ValueError as error:
        ctx.fault(path, f"window: {error}")
        return None
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    declared = f"one of {', '.join(names)}, " if names else ""
    hint = f"did you mean {close[0]!r}?" if close else f"allowed: {declared}a duration ('7d'), '1000 rows', lifetime"
    ctx.fault(path, f"there is no window {text!r}; {hint}")
    return None


def _rows_window(name: str, rows: int, every: float | None = None) -> WindowSpec:
    quarter = float(math.ceil(rows / PARTS))
    step = quarter if every is None else every
    standard = f"{rows} rows" + ("" if step == quarter else f" every {step:g}")
    return WindowSpec(name or standard, rows=rows, every=step)


def _span_window(name: str, span: float, every: float | None = None) -> WindowSpec:
    """A quarter as the step, unless that is no whole number of milliseconds: then the whole span."""
    millis = round(span * 1000)
    quarter = span / PARTS if millis % PARTS == 0 else span
    step = quarter if every is None else every
    standard = format_duration(span) + ("" if step == quarter else f" every {format_duration(step)}")
    return WindowSpec(name or standard, span=span, every=step)


def _check_ticks(ctx: Context, path: Path, windows: Sequence[WindowSpec]) -> None:
    times = [t for w in windows for t in (w.span, w.every if w.rows is None else DEFAULT_TICK) if t]
    spans = [w for w in windows if w.span]
    if not times or not spans:
        return
    tick = reduce(math.gcd, [max(1, round(t * 1000)) for t in times]) / 1000
    longest = max(spans, key=lambda w: w.span or 0.0)
    count = round((longest.span or 0.0) / tick)
    if count > MAX_TICKS:
        all_times = ", ".join(sorted({format_duration(t) for t in times}))
        ctx.fault(
            path,
            f"the window {longest.name!r} would be {count} ticks of {format_duration(tick)} (the greatest common "
            f"divisor of {all_times}); at most {MAX_TICKS} are allowed",
        )
