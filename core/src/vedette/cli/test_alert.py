"""`vedette test-alert`: a test event through the configured sinks."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from vedette.config.plan import Plan, SinkSpec
    from vedette.plugins import Registry
    from vedette_specs.results import Event

HELP = """Send a test alert through every configured sink that takes alerts, from here, and say which failed (exit 1).

Its payload has `"details": {"test": true}`; nothing is stored, and no alert changes its state.

Examples:

    vedette test-alert monitors.yaml

    vedette test-alert monitors.yaml --severity page --json
"""
RULE = "test_alert"
Outcome = Literal["sent", "failed", "not wanted"]


def register(cli: typer.Typer) -> None:
    cli.command("test-alert", help=HELP)(try_sinks)


def try_sinks(
    config: Annotated[Path, typer.Argument(help="The monitors.yaml.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Laid on it; may be repeated.")] = None,
    severity: Annotated[str, typer.Option("--severity", help="info, warn or page.")] = "page",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from vedette.cli.building import load_plan
    from vedette.plugins import get_registry

    if severity not in ("info", "warn", "page"):
        raise typer.BadParameter(f"--severity: {severity!r}; allowed: info, warn, page")
    plan = load_plan([config, *(over or ())]).plan
    if not plan.sinks:
        raise LookupError(f"{config} has no sinks: nobody is told of an alert")
    event = trial_event(plan, severity)
    found = [_outcome(get_registry(), sink, event) for sink in plan.sinks]
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for item in found:
            reason = f": {item['reason']}" if item["reason"] else ""
            typer.echo(f"{item['sink']} ({item['use']})  {item['outcome']}{reason}")
    if any(item["outcome"] == "failed" for item in found):
        raise typer.Exit(1)


def trial_event(plan: Plan, severity: str) -> Event:
    """An alert event like those of rules."""
    from vedette_specs.results import Alert, Event

    now = time.time()
    details = {"test": True, "text": "This is a test of the sinks; nothing is wrong with the model."}
    alert = Alert(RULE, "", "", "", "firing", severity, now, None, RULE, details)
    body = alert.to_json() | {"time": now, "silenced": None, "acknowledged": None}
    return Event(uuid.uuid4().hex, "alert", plan.model, "", "", now, body)


def _outcome(registry: Registry, spec: SinkSpec, event: Event) -> dict[str, Any]:
    from vedette.store.outbox import wants

    outcome: Outcome = "not wanted"
    reason = ""
    if wants(spec, event):
        try:
            _send(registry, spec, event)
            outcome = "sent"
        except Exception as error:  # a sink may fail in any way: that is what is asked here
            outcome, reason = "failed", f"{type(error).__name__}: {error}"
    else:
        reason = "it takes no alerts of this severity"
    return {"sink": spec.name, "use": spec.component.use, "outcome": outcome, "reason": reason}


def _send(registry: Registry, spec: SinkSpec, event: Event) -> None:
    sink: Any = registry.build(spec.component.use, spec.component.options, ("sink",))
    try:
        sink.emit(event)
    finally:
        sink.close()
