"""Shared by commands: plans of one or more files, and bundles with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vedette.config.loading import Loaded
    from vedette.engine.bundle import Bundle
    from vedette.store.database import Store
    from vedette_specs import FoundModel


def load_plan(paths: Sequence[Path], model: FoundModel | None = None) -> Loaded:
    """One model's configuration, later files laid on the first; all faults are printed, and the command ends with 2."""
    from vedette.config import load_all

    with _telling():
        return load_all(paths, model=model)


@contextmanager
def _telling() -> Iterator[None]:
    """Print all faults of a configuration, and end the command with 2."""
    from vedette.config import ConfigError

    try:
        yield
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        raise typer.Exit(2) from error


def tell_notes(loaded: Loaded) -> None:
    for note in loaded.notes:
        typer.secho(f"note: {note}", err=True, fg="yellow")


def load_plans(paths: Sequence[Path]) -> list[Loaded]:
    """A model a file; BadParameter where two files name the same model."""
    found = [load_plan([path]) for path in paths]
    names = [item.plan.model for item in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise typer.BadParameter(f"model {twice[0]!r} stands in several files; one file is one model")
    return found


def build_loaded(loaded: Loaded) -> Bundle:
    """Fit everything on the reference, as `fitted`; notes and faults are printed, which end the command with 2."""
    tell_notes(loaded)
    with _telling():
        return fitted(loaded)


def fitted(loaded: Loaded) -> Bundle:
    """The bundle, with a progress bar on a terminal's standard error; ConfigError where it cannot be built."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from vedette.engine.bundle import build_bundle
    from vedette.engine.bundle_faults import placed
    from vedette.plugins import get_registry

    plan = loaded.plan
    steps = len(plan.preprocessors) + len(plan.explainers) + len(plan.monitors)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"fitting {plan.model}", total=steps)
        done = 0

        def tell(step: str) -> None:
            nonlocal done
            progress.update(task, description=f"fitting {plan.model}: {step}", completed=done)
            done += 1

        with placed(loaded):
            return build_bundle(plan, get_registry(), loaded.reference, tell)


def open_store(url: str) -> Store | None:
    """The store, None where it is an SQLite file that does not exist: looking must not make one."""
    from sqlalchemy.engine import make_url

    from vedette.store.database import Store, check_url

    check_url(url)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).exists():
        return None
    return Store(url)
