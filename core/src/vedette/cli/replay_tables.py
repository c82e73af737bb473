"""What `vedette replay` shows: the last result of every series, and the alerts in the order of their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vedette.engine.label_facts import LabelFacts
from vedette.engine.reasons import reasons_of

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 8  # values of a result
NOTABLE = 2  # columns of a value
MOST_ALERTS = 40
NARROW = 120  # columns of a terminal in which names are wrapped, to leave room for values
NAMES = 16
UNTIL = 19  # a time
BORDERS = 10  # of three cells


def results_table(rows: Iterable[Mapping[str, Any]], width: int) -> Table:
    """The last result of each monitor, window and segment, a line a value. width: of the terminal, in characters."""
    from rich.table import Table

    latest = {(row["monitor"], row["window"], row["segment"]): row for row in rows}
    longest = max((len(name) for names in latest for name in names), default=0)
    room = min(longest, NAMES) if width < NARROW else longest
    table = Table(title="Last results", show_lines=True)
    table.add_column("monitor", max_width=room)
    table.add_column("until", no_wrap=True, width=UNTIL)
    table.add_column("values", no_wrap=True, max_width=max(UNTIL, width - BORDERS - room - UNTIL))
    for names, row in latest.items():
        facts = LabelFacts.of(row)
        labels = [] if facts is None else str(facts).split(", ")
        until = [shown_time(row["end"]), f"{row['n']} rows", row["status"], *labels]
        values = [*value_lines(row["values"]), *reasons_of(row["details"])]  # where there is room for names
        table.add_row(*map(_plain, map("\n".join, (filter(None, names), until, values))))
    return table


def alerts_table(alerts: Iterable[Mapping[str, Any]]) -> Table:
    """Changes of alerts by time; of very many the first and the last."""
    from rich.table import Table

    changes = by_time(alerts)
    table = Table("time", "rule", "segment", "state", "severity", "value", title="Alerts")
    if len(changes) > MOST_ALERTS:
        half = MOST_ALERTS // 2
        table.caption = f"{len(changes)} changes of alerts; the first and the last {half} are shown."
        changes = changes[:half] + changes[-half:]
    for alert in changes:
        value = "" if alert["value"] is None else f"{alert['value']:.4g}"
        cells = (alert["rule"], alert["segment"], alert["state"], alert["severity"], value)
        table.add_row(*map(_plain, (shown_time(alert["time"]), *cells)))
    return table


def by_time(alerts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of one time stay in the order in which they came."""
    return sorted(alerts, key=lambda alert: float(alert["time"]))


def shown_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def value_lines(values: Mapping[str, Any]) -> list[str]:
    """A line for each known value; of values by column how many there are and the most notable ones."""
    lines = [
        f"{name} ({len(value)}): {_notable(name, value)}" if isinstance(value, Mapping) else f"{name} {value:.4g}"
        for name, value in values.items()
        if value is not None
    ]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _notable(name: str, value: Mapping[str, float | None]) -> str:
    """The least p-values, the largest of other values."""
    known = [(column, number) for column, number in value.items() if number is not None]
    known.sort(key=lambda pair: pair[1] if "p_value" in name else -abs(pair[1]))
    more = ", …" if len(known) > NOTABLE else ""
    return ", ".join(f"{column} {number:.4g}" for column, number in known[:NOTABLE]) + more or "none known"


def _plain(text: str) -> Any:
    """As it is: brackets in names are no markup."""
    from rich.text import Text

    return Text(text, overflow="ellipsis")
