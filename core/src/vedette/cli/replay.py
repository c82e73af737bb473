"""`vedette replay`: logged rows through the same worker and reducer, in event time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.logged_notes import notes_of, tell, unmatched_notes
from vedette.cli.replay_tables import alerts_table, by_time, results_table

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


def register(cli: typer.Typer) -> None:
    cli.command("replay", help=HELP)(replay)


def replay(
    config: Annotated[Path, typer.Argument(help="The YAML.")],
    data: Annotated[Path, typer.Argument(help="Logged rows, parquet or csv.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Further YAML laid on it.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Labels, parquet or csv.")] = None,
    as_served: Annotated[bool, typer.Option("--as-served", help="Labels come when they came, not at once.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="Keep everything in this store (URL).")] = None,
    sinks: Annotated[bool, typer.Option("--sinks", help="Deliver events to the sinks, as serving does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vedette.cli.building import build_loaded, load_plan
    from vedette.engine.run.logged import read_labels, read_rows
    from vedette.engine.run.replay import replay as run
    from vedette.plugins import get_registry

    registry = get_registry()
    loaded = load_plan([config, *(over or ())])
    rows = read_rows(data, loaded.plan, registry)
    items = read_labels(labels, loaded.plan, registry) if labels is not None else []
    notes = notes_of(data, rows, bool(items), loaded.plan, registry)
    tell(notes)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bundle = build_loaded(loaded)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying rows", total=len(rows))
        service = run(
            bundle, registry, rows, items, store=store, as_served=as_served, sinks=sinks,
            progress=lambda n: bar.advance(task, n),
        )  # fmt: skip
    lost = unmatched_notes(labels, data, len(items), service.counters())
    tell(lost)
    notes += lost
    if as_json:
        found = service.results(limit=1_000_000)
        body = {"results": list(found), "alerts": by_time(service.alerts()), "monitors": service.monitors()}
        body["notes"] = notes
        typer.echo(json.dumps(body))
    else:
        _print(service, Console())


def _print(service: Service, console: Any) -> None:
    console.print(results_table(service.results(limit=1_000_000), console.width))
    alerts = service.alerts()
    console.print(alerts_table(alerts) if alerts else "No alerts.")
