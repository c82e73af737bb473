"""The frame of the command line: help, version, errors without tracebacks, commands of plugins."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
import typer
from typer.core import TyperGroup

from vedette.cli import COMMANDS, exit_code, make_cli
from vedette.plugins import BrokenComponent, MissingExtra, UnknownComponent

BOOM = """
import typer
from vedette_specs import hookimpl

@hookimpl
def vedette_register_commands(cli):
    @cli.command()
    def boom(kind: str):
        errors = {"value": ValueError("rows: -1 is not positive"), "type": TypeError("what?"), "key": KeyError("x")}
        raise errors[kind]
"""


def test_help_lists_the_commands(vedette) -> None:
    done = vedette("--help")
    assert done.returncode == 0
    for module in COMMANDS:
        assert module.rpartition(".")[2].replace("_", "-") in done.stdout


def commands_of(group: TyperGroup, path: str = "vedette") -> dict[str, str]:
    """All commands below a group, those of plugins too, by what is typed."""
    found: dict[str, str] = {}
    for name, command in group.commands.items():
        typed = f"{path} {name}"
        found |= commands_of(command, typed) if isinstance(command, TyperGroup) else {typed: command.help or ""}
    return found


def test_the_help_of_every_command_has_an_example() -> None:
    root = typer.main.get_command(make_cli())
    assert isinstance(root, TyperGroup)
    found = commands_of(root)
    assert {"vedette check", "vedette mlflow log", "vedette deploy"} <= set(found)
    lacking = [
        typed for typed, text in found.items() if not re.search(rf"\nExamples?:\n\n    (\w+=\S+ )?{typed} ?", text)
    ]
    assert lacking == []


def test_version(vedette) -> None:
    done = vedette("--version")
    assert (done.returncode, done.stdout) == (0, f"{version('vedette')}\n")


def test_an_unknown_command_is_named(vedette) -> None:
    done = vedette("plugin")
    assert done.returncode == 2
    assert "No such command 'plugin'" in done.stderr


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("value", 2, "error: rows: -1 is not positive\n"),
        ("type", 1, "error: TypeError: what? (run with --debug for the traceback)\n"),
        ("key", 2, "error: KeyError: 'x' (run with --debug for the traceback)\n"),
    ],
)
def test_an_error_is_a_message(vedette, plugin_folder, kind: str, code: int, message: str) -> None:
    folder = plugin_folder("acme_boom", BOOM)
    done = vedette("boom", kind, path=folder)
    assert (done.returncode, done.stderr) == (code, message)
    debug = vedette("--debug", "boom", kind, path=folder)
    assert "Traceback" in debug.stderr


def test_commands_that_cannot_be_registered_break_no_other(vedette, plugin_folder) -> None:
    source = (
        "from vedette_specs import hookimpl\n@hookimpl\ndef vedette_register_commands(cli):\n"
        "    raise RuntimeError('no screen')\n"
    )
    done = vedette("plugins", "--no-load", path=plugin_folder("acme_mute", source))
    assert done.returncode == 1
    assert "broken plugin acme_mute (acme_mute 0.3), in vedette_register_commands" in done.stdout
    assert "RuntimeError: no screen" in done.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownComponent("x"), 2),
        (MissingExtra("x"), 2),
        (FileNotFoundError("x"), 2),
        (BrokenComponent("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code
