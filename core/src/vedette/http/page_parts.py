"""Parts of the page: monitors, alerts, replicas and counters as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from vedette.engine.label_facts import LabelFacts
from vedette.engine.reasons import reasons_of
from vedette.http.latest import Result
from vedette.http.markup import Markup, join, tag

MAX_CELLS = 6
MAX_ROWS = 30
MAX_COUNTERS = 40


def ago(seconds: float) -> str:
    """A time span in words: 42 s, 5 min, 3 h, 2 d."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def when(time: float) -> str:
    """UTC; a time that no calendar has as a number."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{time:g}"


def figure(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:.4g}"


def alert_box(body: Mapping[str, Any], now: float) -> Markup:
    where = f" · {body['segment']}" if body["segment"] else ""
    value = f" · value {figure(body['value'])}" if body.get("value") is not None else ""
    known = body.get("acknowledged")
    notes = [f"acknowledged by {known['by']}" + (f": {known['note']}" if known["note"] else "")] if known else []
    notes += ["silenced"] if body.get("silenced") else []
    return tag(
        "div",
        tag("span", body["state"], class_=f"chip {body['state']}"), " ",
        tag("strong", body["rule"]), f" {body['severity']}{where}", tag("br"),
        tag("span", f"{body['when']}{value} · since {when(body['since'])} ({ago(now - body['since'])})", class_="soft"),
        *(join([tag("br"), tag("span", note, class_="soft")]) for note in notes),
        class_=f"alert {body['state']}",
    )  # fmt: skip


def monitor_card(
    monitor: Mapping[str, Any], latest: Sequence[Result], history: Sequence[Result], firing: bool, now: float
) -> Markup:
    """latest: the monitor's newest result of every window and segment, the first in full.  history: of that one."""
    shown = latest[:1]
    status = "firing" if firing else monitor["status"]
    of = "" if monitor["of"] == "inputs" else f" of {monitor['of']}"
    rows = f"{figure(monitor['rows'])} rows"
    if monitor["labelled_rows"]:
        rows += f", {figure(monitor['labelled_rows'])} labelled"
    parts = [
        tag(
            "div", tag("h3", monitor["name"]),
            tag("span", status, class_=f"chip {'ok' if status == 'active' else status}"), class_="top",
        ),
        tag("div", f"{', '.join(monitor['use'])}{of} · {rows}", class_="meta"),
        tag("div", monitor["reason"], class_="meta") if monitor["reason"] and status == "quarantined" else None,
        *(_result(result, now) for result in shown),
        _line(history),
        _details(shown[0]) if shown else None,
        _others(latest[1:]),
    ]  # fmt: skip
    return tag("section", *parts, class_="card firing" if firing else "card", id=f"monitor-{monitor['name']}")


def _result(result: Result, now: float) -> Markup:
    scalars = [(name, value) for name, value in result["values"].items() if not isinstance(value, Mapping)]
    cells = [tag("div", tag("dt", name), tag("dd", figure(value))) for name, value in scalars[:MAX_CELLS]]
    note = tag("span", result["status"], class_=f"chip {result['status']}") if result["status"] != "ok" else None
    segment = f" · {result['segment']}" if result["segment"] else ""
    facts = LabelFacts.of(result)
    labels = "" if facts is None else f"{facts} · "
    text = f"{result['window']}{segment} · n {figure(result['n'])} · {labels}{ago(now - result['end'])} ago "
    why = f" {', '.join(reasons)}" if (reasons := reasons_of(result["details"])) else None
    return join([tag("dl", *cells) if cells else None, tag("div", text, note, why, class_="meta")])


def _line(history: Sequence[Result]) -> Markup | None:
    """The first value that varies, over time."""
    for name in history[-1]["values"] if history else ():
        series = [r["values"].get(name) for r in history]
        points = [float(v) for v in series if isinstance(v, int | float) and math.isfinite(v)]
        if len(points) > 2 and max(points) > min(points):
            low, high = min(points), max(points)
            step = 100 / (len(points) - 1)
            path = " ".join(f"{i * step:.2f},{28 - 26 * (v - low) / (high - low):.2f}" for i, v in enumerate(points))
            label = f"{name}: {figure(low)} to {figure(high)} over {len(points)} windows"
            line = tag("polyline", points=path)
            drawn = tag("svg", line, viewBox="0 0 100 30", preserveAspectRatio="none", aria_hidden="true")
            return join([drawn, tag("div", label, class_="meta")])
    return None


def _details(result: Result) -> Markup | None:
    """Values by column, as a table to be opened."""
    tables = {name: value for name, value in result["values"].items() if isinstance(value, Mapping) and value}
    if not tables:
        return None
    columns = list(dict.fromkeys(column for value in tables.values() for column in value))
    head = tag("tr", tag("th", "column"), *(tag("th", name, class_="num") for name in tables))
    rows = [
        tag("tr", tag("td", c), *(tag("td", figure(v.get(c)), class_="num") for v in tables.values()))
        for c in columns[:MAX_ROWS]
    ]
    return _opening(f"{len(columns)} columns", head, rows, len(columns))


def _others(latest: Sequence[Result]) -> Markup | None:
    """Other windows and segments, as a table to be opened."""
    if not latest:
        return None
    names = list(dict.fromkeys(k for r in latest for k, v in r["values"].items() if not isinstance(v, Mapping)))[:4]
    head = tag(
        "tr", tag("th", "segment"), tag("th", "window"), tag("th", "n", class_="num"),
        *(tag("th", name, class_="num") for name in names), tag("th", ""),
    )  # fmt: skip
    rows = [
        tag(
            "tr", tag("td", r["segment"] or "all"), tag("td", r["window"]), tag("td", figure(r["n"]), class_="num"),
            *(tag("td", figure(r["values"].get(name)), class_="num") for name in names), tag("td", _standing(r)),
        )
        for r in latest[:MAX_ROWS]
    ]  # fmt: skip
    return _opening(f"{len(latest)} more windows and segments", head, rows, len(latest))


def _standing(result: Result) -> str:
    """What a reader must know of a result: that it is not final, and how many labels have come."""
    facts = LabelFacts.of(result)
    status = "" if result["status"] == "ok" else result["status"]
    said = [status, *reasons_of(result["details"]), "" if facts is None else str(facts)]
    return ", ".join(text for text in said if text)


def _opening(title: str, head: Markup, rows: Sequence[Markup], count: int) -> Markup:
    rest = f"and {count - len(rows)} more" if count > len(rows) else None
    table = tag("div", tag("table", head, *rows), class_="scroll")
    return tag("details", tag("summary", title), table, rest)


def replicas(status: Mapping[str, Any]) -> Markup:
    """Worker incarnations, and who reduces which pool."""
    now, found = status["time"], []
    for row in status["replicas"][:MAX_ROWS]:
        found.append((_pool(row), f"replica {str(row.get('id', ''))[:8]}", f"seen {ago(now - row['seen'])} ago"))
    for row in status["leases"][:MAX_ROWS]:
        behind = now - row["watermark"]
        mark = f"watermark {ago(behind)} behind" if behind < 1e9 else "nothing seen yet"
        state = f"reduced by {str(row['holder']).rpartition(':')[0]}" if row["expires"] > now else "reduced by nobody"
        found.append((_pool(row), state, mark))
    rows = [tag("tr", *(tag("td", cell) for cell in cells)) for cells in sorted(found)]
    return tag("div", tag("table", *rows) if rows else "no replica is running", class_="card scroll")


def _pool(row: Mapping[str, Any]) -> str:
    return str(row["pool"]).partition("/")[2]


def counters(counts: Mapping[str, int]) -> Markup:
    rows = [
        tag("tr", tag("td", name.replace("_", " ")), tag("td", figure(value), class_="num"))
        for name, value in sorted(counts.items())[:MAX_COUNTERS]
    ]
    return tag("div", tag("table", *rows), class_="card scroll")
