"""`vedette status`: monitors, alerts and counters of a store or a running server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.engine.label_facts import LabelFacts
from vedette.engine.reasons import reasons_of, unreliable

if TYPE_CHECKING:
    from rich.console import Console

HELP = """Show what the monitors say: from the store, or from a running server.

Examples:

    vedette status --store sqlite:///vedette.db

    VEDETTE_TOKEN=... vedette status --url https://models.example.com/vedette/income --json
"""
MAX_VALUES = 4
AGES = ((365 * 86_400, "y"), (86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def register(cli: typer.Typer) -> None:
    cli.command("status", help=HELP)(status)


def status(
    store: Annotated[str, typer.Option("--store", envvar="VEDETTE_STORE", help="The store.")] = "sqlite:///vedette.db",
    url: Annotated[str | None, typer.Option("--url", help="A running server instead.")] = None,
    token: Annotated[str | None, typer.Option("--token", envvar="VEDETTE_TOKEN", help="Its token.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only this model of the store.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    found = [_of_server(url, token)] if url is not None else list(_of_store(store, model))
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    for item in found:
        _print(Console(), item)


def _of_server(url: str, token: str | None) -> dict[str, Any]:
    from vedette.cli.remote import Remote

    remote = Remote(url, token)
    try:
        alerts = remote.get("api/alerts", live=True)
        return {"status": remote.get("api/status"), "monitors": remote.get("api/monitors"), "alerts": alerts}
    finally:
        remote.close()


def _of_store(url: str, model: str | None) -> Iterable[dict[str, Any]]:
    from sqlalchemy import select

    from vedette.cli.building import open_store
    from vedette.engine.bundle import Bundle
    from vedette.engine.service import Service
    from vedette.plugins import get_registry
    from vedette.store import series
    from vedette.store.tables import deployments

    store = open_store(url)
    if store is None:
        raise FileNotFoundError(f"--store: there is no store at {url}")
    try:
        with store.read() as connection:
            query = select(deployments.c.model, deployments.c.digest).order_by(deployments.c.model)
            deployed = {row.model: row.digest for row in connection.execute(query)}
            if not deployed or (model is not None and model not in deployed):
                wanted = "no model" if model is None else f"no model {model!r}"
                raise LookupError(
                    f"{wanted} is deployed in {store.shown_url}; there are: {', '.join(deployed) or 'none'}"
                )
            names = list(deployed) if model is None else [model]
            bodies = {name: series.get_bundle(connection, deployed[name]) for name in names}
        for body in bodies.values():
            assert body is not None
            service = Service(store, Bundle.from_bytes(body, get_registry()))
            monitors, alerts = service.monitors(), service.alerts(live=True)
            yield {"status": service.status(), "monitors": monitors, "alerts": alerts}
    finally:
        store.close()


def _print(console: Console, item: Mapping[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    about = item["status"]
    now = about.get("time", time.time())
    console.print(f"[bold]{escape(about['model'])}[/]  {len(about['replicas'])} replicas  {about['bundle'][:19]}")
    table = Table(box=None, pad_edge=False)
    for heading in ("monitor", "status", "rows", "window", "age", "values"):
        table.add_column(heading, justify="right" if heading in ("rows", "age") else "left")
    firing = {alert["monitor"] for alert in item["alerts"] if alert["state"] == "firing"}
    for monitor in item["monitors"]:
        table.add_row(*(escape(cell) for cell in _row(monitor, monitor["name"] in firing, now)))
    console.print(table)
    for alert in item["alerts"]:
        where = f" ({alert['segment']})" if alert["segment"] else ""
        style = "red" if alert["state"] == "firing" else "yellow"
        notes = escape("".join(f" ({note})" for note in alert_notes(alert)))
        console.print(f"[{style}]{alert['state']}[/] {escape(alert['rule'] + where)}: {escape(alert['when'])}{notes}")
    shown = {name: value for name, value in about["counters"].items() if value}
    console.print(", ".join(f"{escape(name)} {value:,}" for name, value in shown.items()), style="dim", highlight=False)


def alert_notes(alert: Mapping[str, Any]) -> list[str]:
    """Who has acknowledged a live alert, and whether it is silenced."""
    known = alert.get("acknowledged")
    return ([f"acknowledged by {known['by']}"] if known else []) + (["silenced"] if alert.get("silenced") else [])


def _row(monitor: Mapping[str, Any], firing: bool, now: float) -> list[str]:
    latest = monitor["latest"]
    state = "firing" if firing else str(monitor["status"])
    head = [str(monitor["name"]), state, f"{monitor['rows']:,}"]
    if latest is None:
        return [*head, "-", "-", "-"]
    scalars = [(name, value) for name, value in latest["values"].items() if not isinstance(value, Mapping)]
    values = ", ".join(f"{name} {_figure(value)}" for name, value in scalars[:MAX_VALUES])
    if latest["status"] != "ok" or unreliable(latest["details"]):
        values = f"{values} ({no_value(latest)})" if values else no_value(latest)
    if (facts := LabelFacts.of(latest)) is not None:
        values += f"; {facts}"
    window = latest["window"] + (f" {latest['segment']}" if latest["segment"] else "")
    return [*head, window, ago(now - latest["end"]), values or "-"]


def no_value(result: Mapping[str, Any]) -> str:
    """A result's status, with the reason where it says one; of one that is ok, what is wrong with some values."""
    reasons = reasons_of(result["details"])
    if result["status"] == "ok":
        return ", ".join(reasons)
    return f"{result['status']}: {', '.join(reasons)}" if reasons else str(result["status"])


def ago(seconds: float) -> str:
    """An age in its largest unit: 42 s, 5 min, 3 h, 2 d, 1 y."""
    size, unit = next((pair for pair in AGES if abs(seconds) >= pair[0]), AGES[-1])
    return f"{seconds / size:.0f} {unit}"


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"
