"""`vedette labels`: labels in bulk, into the store or to a running server."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.label_files import KEY, BadLabels, reading

if TYPE_CHECKING:
    import pandas as pd

    from vedette.config.plan import Plan

HELP = """Send labels of past predictions: a parquet or csv file with the columns id, label[, row, annotator, time].

Labels may come before their predictions, and twice: the one that arrives later counts. `time`: seconds or ISO 8601.
Where `labels.join` names a column, `id` may have its name: order,label.

Examples:

    vedette labels monitors.yaml labels.parquet

    VEDETTE_TOKEN=... vedette labels monitors.yaml labels.csv --url http://127.0.0.1:8200
"""
SHOWN = 5
ITEM = re.compile(r"(?:^| answered 400: )\[(?P<position>\d+)\](?:\.(?P<name>\w+))?: (?P<reason>.*)", re.DOTALL)
Send = Callable[[Sequence[Mapping[str, Any]]], int]


def register(cli: typer.Typer) -> None:
    cli.command("labels", help=HELP)(labels)


def labels(
    config: Annotated[Path, typer.Argument(help="The monitors.yaml of the model.")],
    file: Annotated[Path, typer.Argument(help="The labels: .parquet or .csv.")],
    url: Annotated[str | None, typer.Option("--url", help="A running server, instead of the store.")] = None,
    token: Annotated[str | None, typer.Option("--token", envvar="VEDETTE_TOKEN", help="Its token.")] = None,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from vedette.cli.building import load_plan

    plan = load_plan([config]).plan
    read = stored = 0
    last_rows: dict[str, int] = {}  # of requests of which not only the first row has a label
    columns = TextColumn("{task.completed:,} labels"), BarColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with reading(file, plan.labels.join) as (total, chunks), sender(plan, url, token) as send, bar:
        task = bar.add_task("labels", total=total)
        for frame in chunks:
            items = _items(file, frame, read, plan)
            _note_rows(last_rows, items)
            stored += _send(send, file, frame, items, read)
            read += len(frame)
            bar.update(task, completed=read)
    known = f" ({read - stored:,} were known)" if stored < read else ""
    typer.echo(f"{stored:,} labels are stored{known}; they are joined to their predictions in the background")
    if url is None and last_rows and plan.labels.join == "id":
        _tell_beyond(plan, last_rows)


def _note_rows(last: dict[str, int], items: Iterable[Mapping[str, Any]]) -> None:
    for item in items:
        if item.get("row", 0) > 0:
            last[item["id"]] = max(last.get(item["id"], 0), item["row"])


def _tell_beyond(plan: Plan, last_rows: Mapping[str, int]) -> None:
    """Say which labels name a row that their request does not have."""
    from vedette.config.values import format_duration
    from vedette.engine.label_rows import beyond
    from vedette.store.database import Store

    store = Store(plan.store)
    try:
        found = beyond(store, plan.model, plan.schema, last_rows)
    finally:
        store.close()
    for request, rows in list(found.items())[:SHOWN]:
        have = "one row (row 0)" if rows == 1 else f"{rows} rows (0 to {rows - 1})"
        typer.secho(
            f"note: request {request!r} has {have}, and a label of row {last_rows[request]}", err=True, fg="yellow"
        )
    if found:
        more = f" and {len(found) - SHOWN:,} requests more" if len(found) > SHOWN else ""
        given_up = format_duration(plan.labels.within)
        typer.secho(
            f"note: such labels{more} wait for their row, and are given up after {given_up}", err=True, fg="yellow"
        )


@contextmanager
def sender(plan: Plan, url: str | None, token: str | None) -> Iterator[Send]:
    """What stores items of feedback and says how many: in the plan's store, or at a running server."""
    if url is not None:
        from vedette.cli.remote import Remote

        remote = Remote(url, token)
        try:
            yield lambda items: int(remote.post("feedback", items)["accepted"])
        finally:
            remote.close()
        return
    from vedette.engine.bundle import Bundle
    from vedette.engine.service import Service
    from vedette.plugins import get_registry
    from vedette.store.database import Store

    store = Store(plan.store)
    try:
        yield Service(store, Bundle(plan, get_registry(), "")).feedback
    finally:
        store.close()


def _send(send: Send, file: Path, frame: pd.DataFrame, items: Sequence[Mapping[str, Any]], before: int) -> int:
    from vedette.engine.service import BadRequest

    try:
        return send(items)
    except (BadRequest, OSError) as error:
        key = str(frame.attrs.get(KEY, "id"))
        raise BadLabels(_located(file, key, before, error) or _unlocated(len(items), before, error)) from error


def _located(file: Path, key: str, before: int, error: Exception) -> str | None:
    """What is refused, by column and row of the file: the service, here or behind --url, knows its place in a request.

    None where the error is about no item. key: what the file calls its ids.
    """
    found = ITEM.search(str(error))
    if found is None:
        return None
    column = "" if found["name"] is None else f"column {key if found['name'] == 'id' else found['name']!r}: "
    place = f"{file}: {column}row {before + int(found['position']) + 1}: {found['reason']}"
    return f"{place} ({before:,} labels are stored)"


def _unlocated(n: int, before: int, error: Exception) -> str:
    return f"rows {before + 1} to {before + n} were not stored ({before:,} before them are): {error}"


def _id(value: Any) -> str:
    """Numbers as columns of numbers have them: 17.0 is 17."""
    from vedette_specs.columns import number_text

    return number_text(value) if isinstance(value, float) else str(value)


def _items(file: Path, frame: pd.DataFrame, before: int, plan: Plan) -> list[dict[str, Any]]:
    """Rows as items of feedback; empty optional cells are left out."""
    import pandas as pd

    from vedette.cli.label_columns import converted

    def wrong(column: str, position: int, value: Any, allowed: str) -> BadLabels:
        shown = value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value
        place = f"{file}: column {column!r}: row {before + position + 1} holds {shown!r}"
        return BadLabels(f"{place}; allowed: {allowed} ({before:,} labels are stored)")

    items = []
    for i, record in enumerate(converted(frame, plan.schema.task == "regression", wrong).to_dict("records")):
        item = {str(name): value for name, value in record.items() if not pd.isna(value)}
        if missing := [name for name in ("id", "label") if name not in item]:
            raise BadLabels(f"{file}: row {before + i + 1}: {missing[0]!r} is empty ({before:,} labels are stored)")
        item["id"] = _id(item["id"])
        if "row" in item:
            item["row"] = int(item["row"])
        items.append(item)
    return items
