"""`vedette check`: what a configuration means and costs, or all that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from vedette.cli.check_costs import Cost
    from vedette.config.loading import Loaded
    from vedette.config.plan import AlertSpec, MonitorSpec, Plan, WindowSpec
    from vedette.engine.bundle import Bundle
    from vedette_specs import Batch

HELP = """Check a configuration: print the plan and what it costs, or every fault with its place (exit 2).

Examples:

    vedette check monitors.yaml

    vedette check -f monitors.yaml -f prod.yaml --expand

    vedette check monitors.yaml --sample request.json response.json
"""
NARROW = 100  # columns of a terminal
HEADINGS = ("monitor", "components", "of", "windows", "tick", "pool", "alert")
ALERT_HEADINGS = ("name", "when", "for", "severity")
LISTS = ("components", "windows")
USUAL = {"of": "inputs", "pool": "default"}


def register(cli: typer.Typer) -> None:
    cli.command("check", help=HELP)(check)


def check(
    files: Annotated[list[Path] | None, typer.Argument(help="The YAML; further ones are laid on it.")] = None,
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="A YAML file; may be repeated.")] = None,
    expand: Annotated[bool, typer.Option("--expand", help="Print the YAML with all that is automatic.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    costs: Annotated[bool, typer.Option("--costs/--no-costs", help="Measure costs on the reference.")] = True,
    rate: Annotated[float, typer.Option("--rate", min=0.001, help="Rows a second that costs are given for.")] = 1000.0,
    sample: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--sample", help="A request and its response (JSON): print the decoded batch."),
    ] = None,
) -> None:
    from vedette.cli.building import fitted, tell_notes
    from vedette.config import ConfigError, expand_plan, load_all

    paths = [*(files or ()), *(over or ())]
    if not paths:
        raise typer.BadParameter("name a file, as in: vedette check monitors.yaml")
    only_read = expand or sample is not None
    try:
        loaded = load_all(paths)
        bundle = None if only_read else fitted(loaded)
    except ConfigError as error:
        _print_faults(error, as_json)
        raise typer.Exit(2) from error
    if not as_json:
        tell_notes(loaded)
    if expand:
        typer.echo(expand_plan(loaded.plan), nl=False)
    elif sample is not None:
        _print_sample(loaded.plan, *sample)
    else:
        measured = _measure(bundle, loaded.reference, rate) if costs else []
        _print_plan(loaded, measured, rate, as_json)


def _print_faults(error: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"faults": [vars(fault) for fault in error.faults]}, indent=2))
        return
    for fault in error.faults:
        typer.echo(str(fault), err=True)
    count = len(error.faults)
    typer.secho(f"{count} fault{'s' if count > 1 else ''}", err=True, fg="red")


def _measure(bundle: Bundle | None, reference: Batch | None, rate: float) -> list[Cost]:
    from vedette.cli.check_costs import measure

    return [] if bundle is None or reference is None else list(measure(bundle, reference, rate))


def _print_sample(plan: Plan, request: Path, response: Path) -> None:
    from vedette.engine.capture import Call, decode

    call = Call(request=request.read_bytes(), response=response.read_bytes())
    batch = decode(call, plan.schema, plan.capture, plan.privacy.redact)
    answers = {"prediction": batch.prediction, "labels": batch.labels}
    body: dict[str, Any] = {
        "rows": len(batch),
        "inputs": batch.to_records(),
        **{name: column.to_list() for name, column in answers.items() if column is not None},
        "attributes": {name: column.to_list() for name, column in batch.attributes.items()},
    }
    if batch.probabilities is not None:
        body["probabilities"] = batch.probabilities.tolist()
    if batch.ids is not None:
        body["ids"] = batch.ids.tolist()
    typer.echo(json.dumps(body, indent=2, ensure_ascii=False))


def _print_plan(loaded: Loaded, costs: list[Cost], rate: float, as_json: bool) -> None:
    plan = loaded.plan
    if as_json:
        body = document(plan, costs, rate) | {"notes": [vars(note) for note in loaded.notes]}
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    schema = plan.schema
    positive = f", positive {schema.positive!r}" if schema.positive is not None else ""
    classes = f", {len(schema.classes)} classes{positive}" if schema.classes else ""
    label = f", label {schema.label!r}" if schema.label else ""
    kinds = ", ".join(f"{len(schema.names(kind))} {kind}" for kind in dict.fromkeys(schema.features.values()))
    about = f"{plan.model}: {schema.task}{classes}{label}; {len(schema.features)} features ({kinds})"
    console.print(about, highlight=False, markup=False, soft_wrap=True)
    console.print(_monitors_table(plan, console.width))
    if plan.alerts:
        console.print("\nalerts")
        console.print(_alerts_table(plan.alerts))
    _print_costs(console, costs, rate)


def _monitors_table(plan: Plan, width: int) -> Table:
    """A line a monitor; where the terminal is narrow, without what is as always or follows from the rest, and with a
    component and a window a line."""
    from rich.table import Table

    narrow = width < NARROW
    rows = [_row(monitor) for monitor in plan.monitors]
    hidden = {name for name, usual in USUAL.items() if all(row[name] == usual for row in rows)}
    shown = [name for name in HEADINGS if not (narrow and name in {*hidden, "tick"})]
    table = Table(box=None, pad_edge=False)
    for name in shown:
        table.add_column(name, no_wrap=name not in ("windows", "alert"), overflow="fold")
    for row in rows:
        cells = {name: cell.replace(", ", ",\n") if narrow and name in LISTS else cell for name, cell in row.items()}
        table.add_row(*(_plain(cells[name]) for name in shown))
    return table


def _alerts_table(alerts: Sequence[AlertSpec]) -> Table:
    """A line a rule over several monitors; those of one stand beside it."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ALERT_HEADINGS:
        table.add_column(name, no_wrap=name != "when", overflow="fold")
    for alert in alerts:
        cells = _alert_row(alert)
        table.add_row(*(_plain(cells[name]) for name in ALERT_HEADINGS))
    return table


def _print_costs(console: Console, costs: list[Cost], rate: float) -> None:
    from rich.table import Table

    if not costs:
        return
    console.print(f"\ncosts of a segment at {rate:g} rows/s", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("component")
    for heading in ("panes/s", "state bytes/s", "add-ms/s", "fold-ms/s"):
        table.add_column(heading, justify="right")
    for cost in costs:
        name = f"{cost.monitor}.{cost.component}"
        table.add_row(
            _plain(name), f"{cost.panes:.3g}", f"{cost.state_bytes:,.0f}", f"{cost.add_ms:.2f}", f"{cost.fold_ms:.2f}"
        )
    totals = [sum(getattr(cost, key) for cost in costs) for key in ("panes", "state_bytes", "add_ms", "fold_ms")]
    table.add_row("total", f"{totals[0]:.3g}", f"{totals[1]:,.0f}", f"{totals[2]:.2f}", f"{totals[3]:.2f}")
    console.print(table)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _row(monitor: MonitorSpec) -> dict[str, str]:
    from vedette.config.values import format_duration

    return {
        "monitor": monitor.name,
        "components": ", ".join(c.alias if c.alias == c.use else f"{c.use} as {c.alias}" for c in monitor.components),
        "of": monitor.of,
        "windows": ", ".join(map(_window, monitor.windows)) or "-",
        "tick": format_duration(monitor.tick),
        "pool": monitor.pool,
        "alert": monitor.alert.said if monitor.alert else "-",
    }


def _alert_row(alert: AlertSpec) -> dict[str, str]:
    from vedette.config.values import format_duration

    held = format_duration(alert.for_seconds) if alert.for_seconds else str(alert.for_count)
    return {"name": alert.name, "when": alert.said, "for": held, "severity": alert.severity}


def _window(window: WindowSpec) -> str:
    from vedette.config.values import format_duration

    if not window.every:  # a period of the calendar, looked at when it is over
        return window.name
    every = f"{window.every:g} rows" if window.rows is not None else format_duration(window.every)
    return f"{window.name} every {every}" if " every " not in window.name else window.name


def document(plan: Plan, costs: list[Cost], rate: float) -> dict[str, Any]:
    """The plan as JSON; without options of components, which may come from variables."""
    return {
        "model": plan.model,
        "schema": plan.schema.to_json(),
        "monitors": [_row(monitor) for monitor in plan.monitors],
        "alerts": [_alert_row(alert) for alert in plan.alerts],
        "pools": [vars(pool) for pool in plan.pools],
        "rate": rate,
        "costs": [cost.to_json() for cost in costs],
    }
