"""`vedette diff`: what a deploy would do to each monitor's state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

HELP = """Say which monitors a deploy would keep, restart, retire or start, and why. Writes nothing.

Examples:

    vedette diff monitors.yaml

    vedette diff monitors.yaml --json | jq '.changes[] | select(.action != "keep")'
"""
COLOURS = {"keep": "dim", "start": "green", "restart": "yellow", "retire": "red"}


def register(cli: typer.Typer) -> None:
    cli.command("diff", help=HELP)(diff)


def diff(
    file: Annotated[Path, typer.Argument(help="The monitors.yaml.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Laid on it; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from vedette.cli.building import build_loaded, load_plan, open_store
    from vedette.engine import lifecycle
    from vedette.store.database import Store

    bundle = build_loaded(load_plan([file, *(over or ())]))
    store = open_store(bundle.plan.store) or Store("sqlite://")  # where there is none yet, everything starts
    try:
        changes = lifecycle.diff(store, bundle)
    finally:
        store.close()
    if as_json:
        body = {"model": bundle.plan.model, "digest": bundle.digest, "changes": [vars(change) for change in changes]}
        typer.echo(json.dumps(body, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("monitor", "action", "why"):
        table.add_column(heading)
    for change in changes:
        colour = COLOURS[change.action]
        table.add_row(escape(change.monitor), f"[{colour}]{change.action}[/]", escape(change.reason))
    Console().print(table)
