"""`vedette replay`: logged rows through the same worker and reducer, in event time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vedette.engine.service import Service

HELP = """Replay logged rows: print the results and alerts that serving them would have given.

The data (parquet or csv) has the features, and if it likes the columns id, row, time (seconds or ISO 8601),
prediction, p_<class>, the label column, and attributes for segments. The labels file has id and label,
and if it likes row, annotator, time.

Examples:

    vedette replay monitors.yaml logged.parquet

    vedette replay monitors.yaml logged.parquet --labels labels.csv --as-served --json
"""
SHOWN = 8
MOST_ALERTS = 40


def register(cli: typer.Typer) -> None:
    cli.command("replay", help=HELP)(replay)


def replay(
    config: Annotated[Path, typer.Argument(help="The YAML.")],
    data: Annotated[Path, typer.Argument(help="Logged rows, parquet or csv.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Further YAML laid on it.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Labels, parquet or csv.")] = None,
    as_served: Annotated[bool, typer.Option("--as-served", help="Labels come when they came, not at once.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="Keep everything in this store (URL).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vedette.config.loading import load_all
    from vedette.engine.bundle import build_bundle
    from vedette.engine.run.logged import read_labels, read_rows
    from vedette.engine.run.replay import replay as run
    from vedette.plugins import get_registry

    registry = get_registry()
    loaded = load_all([config, *(over or ())], registry=registry)
    rows = read_rows(data, loaded.plan, registry)
    items = read_labels(labels, loaded.plan, registry) if labels is not None else []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        fitting = bar.add_task("fitting on the reference", total=None)
        bundle = build_bundle(loaded.plan, registry, loaded.reference, lambda name: bar.update(fitting))
        bar.remove_task(fitting)
        task = bar.add_task("replaying rows", total=len(rows))
        service = run(
            bundle, registry, rows, items, store=store, as_served=as_served, progress=lambda n: bar.advance(task, n)
        )
    if as_json:
        found = service.results(limit=1_000_000)
        body = {"results": list(found), "alerts": service.alerts(), "monitors": service.monitors()}
        typer.echo(json.dumps(body))
    else:
        _print(service, Console())


def _print(service: Service, console: Any) -> None:
    from rich.table import Table

    table = Table("monitor", "window", "segment", "until", "rows", "status", "values", title="Last results")
    latest: dict[tuple[str, str, str], Any] = {}
    for row in service.results(limit=1_000_000):
        latest[row["monitor"], row["window"], row["segment"]] = row
    for (monitor, window, segment), row in latest.items():
        table.add_row(monitor, window, segment, _time(row["end"]), str(row["n"]), row["status"], _values(row["values"]))
    console.print(table)
    alerts = service.alerts()
    if not alerts:
        console.print("No alerts.")
        return
    table = Table("time", "rule", "segment", "state", "severity", "value", title="Alerts")
    if len(alerts) > MOST_ALERTS:
        console.print(f"{len(alerts)} changes of alerts; the first and the last {MOST_ALERTS // 2} are shown.")
        alerts = alerts[: MOST_ALERTS // 2] + alerts[-MOST_ALERTS // 2 :]
    for alert in alerts:
        value = "" if alert["value"] is None else f"{alert['value']:.4g}"
        table.add_row(_time(alert["time"]), alert["rule"], alert["segment"], alert["state"], alert["severity"], value)
    console.print(table)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _values(values: dict[str, Any]) -> str:
    """Single values, and of values by column the first few."""
    cells = []
    for name, value in values.items():
        if isinstance(value, dict):
            some = [f"{column} {number:.4g}" for column, number in value.items() if number is not None][:3]
            cells.append(f"{name}: {', '.join(some)}{' …' if len(value) > len(some) else ''}")
        elif value is not None:
            cells.append(f"{name} {value:.4g}")
    return "\n".join(cells[:SHOWN])
