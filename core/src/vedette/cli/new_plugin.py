"""`vedette new-plugin`: a package of one's own, with tests that pass."""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

HELP = """Write a plugin package with one component, whose tests pass.

Example:

    vedette new-plugin acme-monitors --kind metric --path plugins
"""
Kind = Literal["metric", "drift", "change", "outlier", "explainer", "preprocessor", "sink"]
HOOKS: dict[Kind, str] = {
    "metric": "metrics",
    "drift": "detectors",
    "change": "detectors",
    "outlier": "detectors",
    "explainer": "explainers",
    "preprocessor": "preprocessors",
    "sink": "sinks",
}
YAML: dict[Kind, str] = {
    "metric": "monitors:\n  mine: {metrics: [$component]}",
    "drift": "monitors:\n  mine: {detect: $component, window: 1000 rows}",
    "change": "monitors:\n  mine: {detect: $component}",
    "outlier": "monitors:\n  mine: {detect: $component}",
    "explainer": "explainers:\n  mine: {use: $component}",
    "preprocessor": "preprocessors:\n  mine: {use: $component}",
    "sink": "sinks:\n  mine: {use: $component, folder: events}",
}

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
description = "A $kind for Vedette."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["vedette>=$version"]

[dependency-groups]
dev = ["pytest>=8.3"]

[project.entry-points."vedette.v1"]
$component = "$component"

[tool.hatch.build.targets.wheel]
packages = ["src/$component"]

[tool.pytest.ini_options]
pythonpath = ["src"]
"""

README = """\
# $name

A $kind for Vedette. Once installed it is there by its name:

```
pip install -e .
vedette plugins
```

```yaml
$yaml
```

`python -m pytest` runs Vedette's conformance kit on it.
"""

INIT = '''\
"""Registers `$component` with Vedette."""

from __future__ import annotations

from collections.abc import Iterable

from vedette_specs import Component, hookimpl


@hookimpl
def vedette_register_$hook() -> Iterable[Component]:
    return [Component("$kind", "$component", "$component.component:$cls", "$summary")]
'''

TESTS = '''\
"""$cls keeps the promises of its kind."""

from __future__ import annotations

import $component
from $component.component import $cls
from vedette.plugins import load_registry
from vedette.testing import parametrize_components, run


@parametrize_components([$cls])
def test_conformance(check) -> None:
    run(check)


def test_registered() -> None:
    registry = load_registry([], {"$component": $component})
    assert registry.failures == ()
    assert registry.load("$component") is $cls
'''

SINK_TESTS = '''\
"""$cls keeps the promises of a sink."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import $component
from $component.component import $cls
from vedette.plugins import load_registry
from vedette.testing import Subject, check_component


def test_conformance(tmp_path: Path) -> None:
    def delivered() -> list[str]:
        return [unquote(path.stem) for path in tmp_path.glob("*.json")]

    check_component(Subject($cls(str(tmp_path)), delivered=delivered))


def test_registered() -> None:
    registry = load_registry([], {"$component": $component})
    assert registry.failures == ()
    assert registry.load("$component") is $cls
'''


def register(cli: typer.Typer) -> None:
    cli.command("new-plugin", help=HELP)(new_plugin)


def new_plugin(
    name: Annotated[str, typer.Argument(help="Name of the package, such as acme-monitors.")],
    kind: Annotated[Kind, typer.Option(help="What it adds.")] = "drift",
    path: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    folder = write_plugin(name, kind, path)
    typer.echo(f"{folder} has a {kind} called {_component(name)!r}. Next:")
    typer.echo(f"  cd {folder}\n  python -m pytest\n  pip install -e . && vedette plugins")


def write_plugin(name: str, kind: Kind, path: Path) -> Path:
    """Write the package into `path`/`name`; ValueError for a bad name, FileExistsError where the folder exists."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        raise ValueError(f"name: {name!r} is not lower-case words joined by '-', such as acme-monitors")
    if kind not in HOOKS:
        raise ValueError(f"kind: {kind!r} is not known; allowed: {', '.join(HOOKS)}")
    folder = path / name
    folder.mkdir(parents=True)
    for file, text in _files(name, kind).items():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def _files(name: str, kind: Kind) -> dict[str, str]:
    component = _component(name)
    source = files("vedette.cli.skeleton").joinpath(f"{kind}.py").read_text()
    cls = "".join(word.capitalize() for word in component.split("_"))
    words = {
        "name": name,
        "component": component,
        "kind": kind,
        "cls": cls,
        "hook": HOOKS[kind],
        "version": version("vedette"),
        "summary": source.split('"""')[1].rstrip("."),
        "yaml": Template(YAML[kind]).substitute(component=component),
    }
    templates = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"src/{component}/__init__.py": INIT,
        f"tests/test_{component}.py": SINK_TESTS if kind == "sink" else TESTS,
    }
    written = {file: Template(text).substitute(words) for file, text in templates.items()}
    return {**written, f"src/{component}/component.py": source.replace("MyComponent", cls)}


def _component(name: str) -> str:
    return name.replace("-", "_")
