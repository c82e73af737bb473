"""`vedette new-plugin` writes packages whose own tests pass."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from vedette.cli.new_plugin import HOOKS, YAML, Kind, write_plugin
from vedette.testing import Subject, parametrize_components, run


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=300
    )


@parametrize_components(
    [
        Subject(importlib.import_module(f"vedette.cli.skeleton.{kind}").MyComponent())
        for kind in HOOKS
        if kind != "sink"  # its place is a folder of the test: test_the_tests_of_a_new_package_pass
    ]
)
def test_every_skeleton_passes_the_kit(check) -> None:
    run(check)


@pytest.mark.parametrize("kind", ["drift", "sink"])
def test_the_tests_of_a_new_package_pass(tmp_path: Path, kind: Kind) -> None:
    folder = write_plugin("acme-monitors", kind, tmp_path)
    done = command("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize("kind", HOOKS)
def test_a_new_package_is_whole(tmp_path: Path, kind: Kind) -> None:
    folder = write_plugin("acme-monitors", kind, tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["vedette.v1"] == {"acme_monitors": "acme_monitors"}
    for file in folder.rglob("*.py"):
        source = file.read_text()
        assert "MyComponent" not in source
        assert "$" not in source
        compile(source, str(file), "exec")
    assert "acme_monitors" in (folder / "README.md").read_text()
    style = command("ruff", "check", "--isolated", "--select", "E,F,I", "--line-length", "120", str(folder / "tests"))
    assert style.returncode == 0, style.stdout


def test_every_kind_has_a_skeleton() -> None:
    assert set(get_args(Kind)) == set(HOOKS) == set(YAML)


@pytest.mark.parametrize("name", ["Acme", "acme monitors", "../acme", "1acme", "acme-", ""])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name: .* is not lower-case words"):
        write_plugin(name, "drift", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    with pytest.raises(FileExistsError):
        write_plugin("acme", "drift", tmp_path)
    assert list((tmp_path / "acme").iterdir()) == []


def test_the_command_says_what_is_next(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from vedette.cli import make_cli

    done = CliRunner().invoke(make_cli(), ["new-plugin", "acme-gini", "--kind", "metric", "--path", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "has a metric called 'acme_gini'" in done.output
    assert "class AcmeGini(Metric)" in (tmp_path / "acme-gini/src/acme_gini/component.py").read_text()
