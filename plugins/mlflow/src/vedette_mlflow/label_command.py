"""`vedette mlflow labels`: labels from traces, into the store or to a running server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

HELP = """Send labels that stand on MLflow's traces as expectations or feedback.

A trace names its prediction by the tag vedette.request_id, or by its client_request_id: the X-Request-Id of the answer.
Labels that were sent before are not stored twice, so that this may run as often as you like.

Examples:

    vedette mlflow labels -c monitors.yaml --experiment income --since 7d

    VEDETTE_TOKEN=... vedette mlflow labels -c monitors.yaml --experiment income --name verdict --url http://host:8200
"""
Send = Callable[[Sequence[Mapping[str, Any]]], int]


def register(group: typer.Typer) -> None:
    group.command("labels", help=HELP)(labels)


def labels(
    config: Annotated[list[Path], typer.Option("-c", "--config", help="monitors.yaml; further ones are laid on it.")],
    experiment: Annotated[str, typer.Option("--experiment", help="Name or id of the traces' experiment.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the expectation or feedback; by default the label of the schema.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Traces from then on: 7d, or a time.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="A running server, instead of the store.")] = None,
    token: Annotated[str | None, typer.Option("--token", envvar="VEDETTE_TOKEN", help="Its token.")] = None,
) -> None:
    from mlflow import MlflowClient

    from vedette.cli.building import load_plan
    from vedette.cli.labels import sender
    from vedette_mlflow import traces

    plan = load_plan(config).plan
    wanted = name or plan.schema.label
    if wanted is None:
        raise traces.BadTraces("--name: the schema names no label; say which expectation or feedback is the label")
    start = None if since is None else traces.moment(since, time.time())
    client, found = MlflowClient(), traces.Found()
    home = traces.experiment_id(client, experiment)
    given = stored = 0
    refused: list[str] = []
    with sender(plan, url, token) as send:
        for items in traces.labels_of(client, home, wanted, start, found):
            given += len(items)
            stored += _send(send, items, refused)
    typer.echo(f"{found.traces:,} traces, {given:,} labels {wanted!r}: {stored:,} new ones are stored")
    _complain(found, refused, wanted)


def _send(send: Send, items: Sequence[Mapping[str, Any]], refused: list[str]) -> int:
    """All together; where one of them is refused, one by one, so that it holds up no other."""
    from vedette.cli.remote import Refused
    from vedette.engine.service import BadRequest
    from vedette_mlflow.traces import without_trace

    if not items:
        return 0
    try:
        return send(without_trace(items))
    except (BadRequest, Refused) as error:
        if len(items) == 1:
            refused.append(f"trace {items[0]['trace']}: {error}")
            return 0
        return sum(_send(send, [item], refused) for item in items)


def _complain(found: Any, refused: Sequence[str], name: str) -> None:
    if found.without_id:
        typer.echo(
            f"{found.without_id:,} traces with {name!r} name no request: set the tag vedette.request_id", err=True
        )
    if found.empty:
        typer.echo(f"{found.empty:,} have no value", err=True)
    for line in refused[:20]:
        typer.echo(f"refused: {line}", err=True)
    if refused:
        typer.echo(f"{len(refused):,} labels were refused", err=True)
        raise typer.Exit(1)
