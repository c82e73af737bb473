"""`vedette labels`: labels in bulk, into the store or to a running server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from vedette.config.plan import Plan

HELP = """Send labels of past predictions: a parquet or csv file with the columns id, label[, row, annotator, time].

Labels may come before their predictions, and twice; the later one counts. `time` is in seconds or ISO 8601.
Where `labels.join` names a column, `id` may have its name: order,label.

Examples:

    vedette labels monitors.yaml labels.parquet

    VEDETTE_TOKEN=... vedette labels monitors.yaml labels.csv --url http://127.0.0.1:8200
"""
CHUNK = 10_000
COLUMNS = ("id", "label", "row", "annotator", "time")
Send = Callable[[Sequence[Mapping[str, Any]]], int]


class BadLabels(ValueError):
    """The file cannot be sent; says which row is wrong, and how many labels are stored already."""


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
    columns = TextColumn("{task.completed:,} labels"), BarColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with _reading(file, plan) as (total, chunks), sender(plan, url, token) as send, bar:
        task = bar.add_task("labels", total=total)
        for frame in chunks:
            stored += _send(send, _items(frame, read), read)
            read += len(frame)
            bar.update(task, completed=read)
    known = f" ({read - stored:,} were known)" if stored < read else ""
    typer.echo(f"{stored:,} labels are stored{known}; they are joined to their predictions in the background")


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


def _send(send: Send, items: Sequence[Mapping[str, Any]], before: int) -> int:
    from vedette.engine.service import BadRequest

    try:
        return send(items)
    except (BadRequest, OSError) as error:
        place = f"rows {before} to {before + len(items) - 1} were not stored (the {before:,} before them are)"
        raise BadLabels(f"{place}: {error}") from error


@contextmanager
def _reading(file: Path, plan: Plan) -> Iterator[tuple[int | None, Iterable[pd.DataFrame]]]:
    """(rows where known, the file in chunks, whose columns have our names)."""
    allowed = COLUMNS if plan.labels.join == "id" else (*COLUMNS, plan.labels.join)
    if file.suffix == ".parquet":
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            _check_columns(file, names, allowed)
            batches = table.iter_batches(CHUNK, columns=[name for name in names if name in allowed])
            yield table.metadata.num_rows, (_named(batch.to_pandas(), plan) for batch in batches)
    elif file.suffix == ".csv":
        import pandas as pd

        label: Any = "float64" if plan.schema.task == "regression" else "str"
        types = {"id": "str", plan.labels.join: "str", "label": label, "annotator": "str"}
        _check_columns(file, list(pd.read_csv(file, nrows=0).columns), allowed)
        # a class may well be called NA: only an empty cell is a missing label
        with pd.read_csv(file, dtype=types, chunksize=CHUNK, keep_default_na=False, na_values=[""]) as chunks:
            yield None, (_named(chunk, plan) for chunk in chunks)
    else:
        raise BadLabels(f"{file}: {file.suffix or 'no ending'!r} is not known; allowed: .parquet, .csv")


def _check_columns(file: Path, names: Sequence[str], allowed: Sequence[str]) -> None:
    key = next((name for name in allowed[len(COLUMNS) :] if name in names and "id" not in names), "id")
    if missing := [name for name in (key, "label") if name not in names]:
        raise BadLabels(f"{file}: column {missing[0]!r} is missing; it has {', '.join(names)}")
    if unknown := [name for name in names if name not in allowed and not name.startswith("__index")]:
        raise BadLabels(f"{file}: column {unknown[0]!r} is not known; allowed: {', '.join(allowed)}")


def _named(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """With the key of `labels.join` as `id`."""
    join = plan.labels.join
    if join == "id" or join not in frame:
        return frame
    return frame.drop(columns=join) if "id" in frame else frame.rename(columns={join: "id"})


def _times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Seconds since the epoch from times or ISO 8601 texts; numbers stay as they are."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return values
    try:
        times = pd.to_datetime(values, utc=True, format="ISO8601")
    except ValueError as error:
        raise BadLabels(f"column 'time': {error}; allowed: seconds since the epoch or ISO 8601") from error
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _id(value: Any) -> str:
    """Numbers as columns of numbers have them: 17.0 is 17."""
    from vedette_specs.columns import number_text

    return number_text(value) if isinstance(value, float) else str(value)


def _items(frame: pd.DataFrame, before: int) -> list[dict[str, Any]]:
    """Rows as items of feedback; empty optional cells are left out."""
    import pandas as pd

    if "time" in frame:
        frame = frame.assign(time=_times(frame["time"]))
    items = []
    for i, record in enumerate(frame.to_dict("records")):
        item = {str(name): value for name, value in record.items() if not pd.isna(value)}
        if missing := [name for name in ("id", "label") if name not in item]:
            raise BadLabels(f"row {before + i}: {missing[0]!r} is empty (the {before:,} rows before are stored)")
        item["id"] = _id(item["id"])
        if "row" in item:
            item["row"] = int(item["row"])
        items.append(item)
    return items
