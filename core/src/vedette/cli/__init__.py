"""The `vedette` command line: a table of command modules, each with `register(cli)`."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: tuple[str, ...] = (
    "vedette.cli.init",
    "vedette.cli.check",
    "vedette.cli.replay",
    "vedette.cli.tune",
    "vedette.cli.build",
    "vedette.cli.diff",
    "vedette.cli.serve",
    "vedette.cli.status",
    "vedette.cli.labels",
    "vedette.cli.drift_cost",
    "vedette.cli.silence",
    "vedette.cli.test_alert",
    "vedette.cli.plugins",
    "vedette.cli.new_plugin",
)
BAD_INPUT, FAILED = 2, 1
DEBUG = "VEDETTE_DEBUG"


def make_cli() -> typer.Typer:
    """The application with Vedette's own commands and those of the plugins."""
    from vedette.plugins import get_registry

    cli = typer.Typer(
        name="vedette",
        help="Monitor and explain machine-learning models where they serve.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    cli.callback()(_options)
    for name in COMMANDS:
        importlib.import_module(name).register(cli)
    for _ in get_registry().hook.each("vedette_register_commands", cli=cli):
        pass
    return cli


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("vedette"))
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its code: 2 for bad input, 1 for what failed, no traceback unless --debug."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        make_cli()(given, prog_name="vedette")
    except Exception as error:  # the outermost place: everything is told, nothing is swallowed
        if "--debug" in given or os.environ.get(DEBUG):
            raise
        typer.secho(f"error: {_message(error)}", err=True, fg="red")
        sys.exit(exit_code(error))


def exit_code(error: Exception) -> int:
    """2 where the user can put it right (names, options, files, configuration), 1 for all else."""
    return BAD_INPUT if isinstance(error, ValueError | LookupError | OSError | ImportError) else FAILED


def _message(error: Exception) -> str:
    from vedette.plugins import PluginError

    text = str(error)
    if isinstance(error, PluginError) or (exit_code(error) == BAD_INPUT and not isinstance(error, KeyError) and text):
        return text
    return f"{type(error).__name__}: {text} (run with --debug for the traceback)"
