"""`vedette silence`: keep a rule's alerts from the sinks for a while; list and end silences."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from vedette.config.plan import Plan

HELP = """Keep the alerts of a rule from the sinks for a while. They change state and are recorded as ever;
what fires still when the silence ends is sent then, once.

Examples:

    vedette silence monitors.yaml --rule drift --for 2h --reason "a new client is being tried"

    vedette silence monitors.yaml --rule performance --segment region=eu --for 1d --reason "known, see #77"

    vedette silence monitors.yaml --list

    vedette silence monitors.yaml --end 3f0c2b1a9d4e
"""


class Silences(Protocol):
    """Where silences are kept: a store, or a running server."""

    def silence(self, request: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def silences(self, over: bool = False) -> Sequence[Mapping[str, Any]]: ...
    def end_silence(self, id: str) -> Mapping[str, Any] | None: ...


def register(cli: typer.Typer) -> None:
    cli.command("silence", help=HELP)(silence)


def silence(
    config: Annotated[Path, typer.Argument(help="The monitors.yaml of the model.")],
    rule: Annotated[str | None, typer.Option("--rule", help="The rule: a monitor's name, or one of `alerts`.")] = None,
    segment: Annotated[str | None, typer.Option("--segment", help="Only this one, as in region=eu.")] = None,
    how_long: Annotated[str | None, typer.Option("--for", help="How long, as in 2h.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for others to read.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who; the user of this machine by default.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the active silences.")] = False,
    end: Annotated[str | None, typer.Option("--end", help="End the silence of this id.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="A running server, instead of the store.")] = None,
    token: Annotated[str | None, typer.Option("--token", envvar="VEDETTE_TOKEN", help="Its token.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from vedette.cli.building import load_plan

    if sum((show, end is not None, rule is not None)) != 1:
        raise typer.BadParameter("give exactly one of --rule, --list and --end")
    missing = [name for name, value in (("--for", how_long), ("--reason", reason)) if value is None]
    if rule is not None and missing:
        raise typer.BadParameter(f"--rule needs {' and '.join(missing)}")
    plan = load_plan([config]).plan
    with kept(plan, url, token) as where:
        if rule is not None:
            request = {"rule": rule, "segment": segment, "for": how_long, "reason": reason, "by": by or _user()}
            found = [where.silence(request)]
        elif end is not None:
            ended = where.end_silence(end)
            if ended is None:
                raise LookupError(f"--end: there is no silence {end!r}")
            found = [ended]
        else:
            found = list(where.silences())
    _show(found, as_json)


@contextmanager
def kept(plan: Plan, url: str | None, token: str | None) -> Iterator[Silences]:
    """The plan's store, or a running server."""
    if url is not None:
        from vedette.cli.remote import Remote

        remote = Remote(url, token)
        try:
            yield _Server(remote)
        finally:
            remote.close()
        return
    from vedette.engine.alerting import Alerting
    from vedette.store.database import Store

    store = Store(plan.store)
    try:
        yield Alerting(store, plan)
    finally:
        store.close()


class _Server:
    def __init__(self, remote: Any) -> None:
        self._remote = remote

    def silence(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._remote.post("api/silences", dict(request))
        return found

    def silences(self, over: bool = False) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self._remote.get("api/silences", over=over)
        return found

    def end_silence(self, id: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] = self._remote.delete(f"api/silences/{quote(id, safe='')}")
        return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _show(found: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for item in found:
        segment = "all segments" if item["segment"] is None else item["segment"] or "all rows"
        until = datetime.fromtimestamp(item["until"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        state = f"until {until}" if item["active"] else "over"
        by = f" ({item['by']})" if item["by"] else ""
        typer.echo(f"{item['id']}  {item['rule']}, {segment}  {state}  {item['reason']}{by}")
    if not found:
        typer.echo("No silence is active.")
