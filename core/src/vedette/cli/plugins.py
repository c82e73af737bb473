"""`vedette plugins`: what is installed, whether it loads, and what is broken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from vedette.plugins import MissingExtra, PluginError, PluginFailure, Registered, Registry
from vedette.plugins.importing import missing_packages

HELP = """List components and the packages that bring them; exit 1 when one is broken.

Examples:

    vedette plugins

    vedette plugins --no-load --json
"""
NOT_LOADED = "not loaded"


@dataclass(frozen=True)
class Row:
    """One component and whether it can be used: `ok`, `missing: ...` or `broken: ...`."""

    registered: Registered
    state: str

    @property
    def broken(self) -> bool:
        return self.state.startswith("broken")

    def to_json(self) -> dict[str, Any]:
        r = self.registered
        return {
            "name": r.full_name,
            "kind": r.kind,
            "package": r.distribution or r.plugin,
            "version": r.version,
            "summary": r.component.summary,
            "target": r.component.target,
            "state": self.state,
        }


def register(cli: typer.Typer) -> None:
    cli.command("plugins", help=HELP)(plugins)


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    load: Annotated[bool, typer.Option("--load/--no-load", help="Import each component to see if it works.")] = True,
) -> None:
    from vedette.plugins import get_registry

    registry = get_registry()
    rows = [Row(r, _state(registry, r) if load else NOT_LOADED) for r in registry.components]
    if as_json:
        typer.echo(json.dumps(_document(rows, registry.failures), indent=2))
    else:
        _print(rows, registry.failures)
    if registry.failures or any(row.broken for row in rows):
        raise typer.Exit(1)


def _state(registry: Registry, registered: Registered) -> str:
    if registered.kind == "platform":  # importing one takes seconds; whether it is installed takes none
        absent = missing_packages(registered.component, registered.distribution)
        return f"missing: platform {registered.name!r} needs {', '.join(absent)}" if absent else "ok"
    try:
        registry.load(registered.qualified, kinds=(registered.kind,))
    except MissingExtra as error:
        return f"missing: {error}"
    except PluginError as error:
        return f"broken: {error}"
    return "ok"


def _document(rows: list[Row], failures: tuple[PluginFailure, ...]) -> dict[str, Any]:
    return {"components": [row.to_json() for row in rows], "failures": [vars(failure) for failure in failures]}


def _print(rows: list[Row], failures: tuple[PluginFailure, ...]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False)
    entries = [{key: str(value or "") for key, value in row.to_json().items()} for row in rows]
    for heading in ("name", "kind", "package", "version", "state", "summary"):
        table.add_column(heading, no_wrap=heading != "summary")
    for row, entry in zip(rows, entries, strict=True):
        cells = {key: escape(value) for key, value in entry.items()}
        short = row.state.partition(":")[0]
        colour = "red" if row.broken else "green" if row.state == "ok" else "yellow"
        state = f"[{colour}]{short}[/]"
        table.add_row(cells["name"], cells["kind"], cells["package"], cells["version"], state, cells["summary"])
    console.print(table)
    for row in rows:
        if row.state not in ("ok", NOT_LOADED):
            console.print(f"\n{escape(row.state)}", highlight=False, soft_wrap=True)
    for failure in failures:
        package = f" ({failure.distribution} {failure.version})" if failure.distribution else ""
        console.print(f"\n[bold red]broken plugin {escape(failure.name)}[/]{escape(package)}, in {failure.where}:")
        console.print(escape(failure.traceback.rstrip()), highlight=False, soft_wrap=True)
