"""`vedette tune`: what rules would have raised on history, and thresholds that keep to a budget."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.logged_notes import notes_of, tell
from vedette.cli.replay_tables import shown_time

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from vedette.engine.tuning.report import History, Tuned
    from vedette_specs import Batch

HELP = """Replay history and say which alarms each rule would have raised; for rules that are one comparison,
propose the threshold that would have kept to a budget of false alarms. Sinks are told nothing.

The history (as for `vedette replay`) should be of a time when the model was right: each of its alarms counts as false.
A note tells where it seems to change itself; --since and --until choose a part of it.

Examples:

    vedette tune monitors.yaml history.parquet --false-alarms "1 per 30d"

    vedette tune monitors.yaml history.parquet --labels labels.csv --false-alarms "1 per 500 windows" --json
"""


def register(cli: typer.Typer) -> None:
    cli.command("tune", help=HELP)(tune)


def tune(
    config: Annotated[Path, typer.Argument(help="The YAML.")],
    data: Annotated[Path, typer.Argument(help="The history: logged rows, parquet or csv.")],
    false_alarms: Annotated[str, typer.Option("--false-alarms", help="How many at most, a rule: 1 per 30d.")],
    over: Annotated[list[Path] | None, typer.Option("-f", "--file", help="Further YAML laid on it.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Labels, parquet or csv.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Of the history, rows from then: ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Rows before then.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vedette.cli.building import build_loaded, load_plan
    from vedette.config.budgets import parse_budget
    from vedette.engine.run.logged import read_labels, read_rows
    from vedette.engine.run.replay import replay
    from vedette.engine.tuning.report import History, snippet
    from vedette.engine.tuning.report import tune as report
    from vedette.engine.tuning.series import Recorder
    from vedette.plugins import get_registry

    budget = _option(parse_budget, false_alarms)
    registry = get_registry()
    loaded = load_plan([config, *(over or ())])
    plan = loaded.plan
    if not plan.rules:
        raise LookupError(f"{config} has no alert rules to tune")
    rows = read_rows(data, plan, registry)
    rows = _between(rows, data, since, until)
    assert rows.times is not None
    history = History(float(rows.times.min()), float(rows.times.max()), len(rows))
    history.check(budget)
    items = read_labels(labels, plan, registry) if labels is not None else []
    tell(notes_of(data, rows, bool(items), plan, registry))
    recorder = Recorder.of(plan.rules)
    bundle = replace(build_loaded(loaded), judging=recorder)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying rows", total=len(rows))
        service = replay(bundle, registry, rows, items, progress=lambda n: bar.advance(task, n))
    found = report(plan, service.alerts(limit=10_000_000), recorder, history, budget)
    tell(_shifts(found))
    text = _yaml(snippet(found))
    if as_json:
        body = {"model": plan.model, "history": {**vars(history), "days": history.seconds / 86_400.0}}
        rules = [item.to_json() for item in found]
        typer.echo(json.dumps({**body, "false_alarms": false_alarms, "rules": rules, "yaml": text}, indent=2))
        return
    _print(Console(), found, history, false_alarms, text)


def _between(rows: Batch, data: Path, since: str | None, until: str | None) -> Batch:
    """The rows of a part of the history; ValueError where there are none."""
    begin, end = _time("--since", since), _time("--until", until)
    if begin is not None and end is not None and begin > end:
        raise ValueError(f"--since: {since!r} is after --until, {until!r}: they are the wrong way round")
    if not len(rows) or rows.times is None:
        raise ValueError(f"{data}: it has no rows")
    first, last = (shown_time(float(time)) for time in (rows.times.min(), rows.times.max()))
    part = rows.take((rows.times >= (begin or 0.0)) & (rows.times < (math.inf if end is None else end)))
    if not len(part):
        raise ValueError(f"{data}: no row is between --since and --until; there are rows from {first} to {last} UTC")
    return part


def _time(name: str, text: str | None) -> float | None:
    from vedette.engine.run.times import text_seconds

    if text is None:
        return None
    found = text_seconds(text)
    if not math.isfinite(found):
        raise ValueError(f"{name}: {text!r} is no time; allowed: seconds since the epoch, or ISO 8601")
    return found


def _shifts(found: Sequence[Tuned]) -> Iterator[str]:
    """Of each rule the first change; a threshold from both sides of one hides what the later side would show."""
    for item in found:
        shifts = sorted(item.shifts.items(), key=lambda pair: pair[1].time)
        for (segment, window), shift in shifts[:1]:
            where = ", ".join(filter(None, (segment, window)))
            more = f" (and so do {len(shifts) - 1} more of its series)" if len(shifts) > 1 else ""
            yield (
                f"{item.rule.name}: the history itself seems to change at {shown_time(shift.time)} UTC in {where}, "
                f"from about {shift.before:.3g} to {shift.after:.3g}{more}: a threshold from all of it may be less "
                f"sensitive; choose a quiet part with --since and --until"
            )


def _option(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"--false-alarms: {error}") from error


def _yaml(body: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120) if body else ""


def _print(console: Console, found: Sequence[Tuned], history: History, wanted: str, text: str) -> None:
    days = f"{history.seconds / 86_400.0:.3g} days"
    console.print(f"{history.rows:,} rows, {days}: {shown_time(history.start)} to {shown_time(history.end)} UTC")
    console.print(_table(found, wanted))
    for item in found:
        if item.times:
            more = f" and {item.alarms - len(item.times)} more" if item.alarms > len(item.times) else ""
            first = ", ".join(map(shown_time, item.times))
            console.print(f"{item.rule.name} fired at {first}{more}", style="dim", highlight=False, markup=False)
    if text:
        console.print("\nTo be laid on the configuration (-f), or pasted into it:\n")
        typer.echo(text, nl=False)


def _table(found: Sequence[Tuned], wanted: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Rules on this history; wanted: {wanted}")
    for heading in ("rule", "when", "alarms", "a day", "proposed", "alarms"):
        table.add_column(heading, justify="right" if heading in ("alarms", "a day") else "left")
    for item in found:
        proposed = item.when if item.when is not None else item.note
        fewer = "" if item.proposal is None else str(item.proposal.alarms)
        per_day = "" if item.per_day is None else f"{item.per_day:.3g}"
        cells = (item.rule.name, item.rule.said, str(item.alarms), per_day, proposed, fewer)
        table.add_row(*map(Text, cells))
    return table
