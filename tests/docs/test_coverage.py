"""The docs name everything that there is, and nothing that there is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from tests.docs.snippets import PAGES, ROOT

from vedette.cli import make_cli
from vedette.components import built_ins
from vedette.plugins import get_registry
from vedette.plugins.hooks import hook_names

DOCS = ROOT / "docs"
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```\s*$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A page without its code."""
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def pages_of(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
        return
    for item in nav.values() if isinstance(nav, dict) else nav:
        yield from pages_of(item)


def first_cells(text: str) -> set[str]:
    """What stands in backticks in the first cells of a page's tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


def test_mkdocs_lists_every_page_once() -> None:
    listed = list(pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(prose(path)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name}: {link} does not exist"
        if path.parent == DOCS:
            assert target.parent == DOCS, f"{path.name}: {link} is outside of what mkdocs publishes"
        if anchor:
            assert anchor in anchors(target), f"{path.name}: {link}: there are {sorted(anchors(target))}"


def test_every_hook_is_in_plugins() -> None:
    documented = set(re.findall(r"^\| `(vedette_\w+)\(", page("plugins"), re.MULTILINE))
    assert documented == set(hook_names())


@pytest.mark.parametrize("component", built_ins(), ids=lambda component: component.name)
def test_every_component_is_in_components_with_its_options(component: Any) -> None:
    table = page("components").partition("## Metrics")[2]
    row = re.search(rf"^\| `{component.name}` \|.*$", table, re.MULTILINE)
    assert row, f"{component.name} has no row in components.md"
    inherited = {"columns", "alpha", "correction", "min_rows", "max_reference", "max_categories"}  # "all of these"
    shown = set(re.findall(r"`(\w+)`", row[0])) | (inherited if component.name == "tabular" else set())
    options = set(get_registry().options(component.name, (component.kind,)))
    assert options <= shown, f"components.md: options of {component.name} are missing: {sorted(options - shown)}"


def test_components_names_no_other_component() -> None:
    kinds = page("components").partition("## Metrics")[2].partition("## Try one")[0]
    assert {name for name in first_cells(kinds) if name.islower()} == {c.name for c in built_ins()}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
        return
    for name, child in children.items():
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(make_cli())))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_cli_with_its_options(name: str) -> None:
    row = re.search(rf"^\| `vedette {name}[ `].*$", page("cli"), re.MULTILINE)
    assert row, f"`vedette {name}` has no row in cli.md"
    words = set(re.findall(r"--?[\w-]+", row[0]))
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) or parameter.param_type_name == "option":
            known = {*parameter.opts, *parameter.secondary_opts}
            assert known & words or "--help" in known, f"cli.md: vedette {name} has an option {sorted(known)}"


def test_cli_names_no_other_command() -> None:
    shown = re.findall(r"^\| `vedette ([a-z -]+?)(?: [A-Z].*)?`", page("cli"), re.MULTILINE)
    assert sorted(shown) == sorted(COMMANDS)


def test_every_key_of_the_grammar_is_in_configuration() -> None:
    schema = json.loads((ROOT / "specs" / "monitors.schema.json").read_text())
    table = page("configuration").partition("## Keys")[2].partition("## The reference")[0]
    assert first_cells(table) == set(schema["properties"])
    text = page("configuration")
    for name, section in schema["$defs"].items():
        for key in section.get("properties", {}):
            if key not in ("first", "phase"):  # refused: not supported yet
                assert re.search(rf"\b{key}\b", text), f"configuration.md does not name {key!r} of {name}"


def test_every_metric_of_the_api_is_in_operations() -> None:
    from vedette.http.metrics import COUNTERS, GAUGES

    text = page("operations")
    for counter, (metric, _) in {**COUNTERS, **GAUGES}.items():
        assert f"`{counter}`" in text, counter
        assert f"`{metric}" in text, metric


def test_every_path_of_the_api_is_in_http() -> None:
    paths = json.loads((ROOT / "specs" / "openapi.json").read_text())["paths"]
    text = page("http")
    parts = {path.strip("/").split("/")[0].partition(":")[0] for path in paths if path != "/"}
    parts |= {path.strip("/") for path in paths if path.startswith("/api/")}
    for part in parts:
        assert part in text or part.upper() in text, f"http.md does not name {part}"


def test_every_check_of_platforms_is_in_platforms() -> None:
    from vedette.testing.platforms import PLATFORM_CHECKS

    table = page("platforms").partition("## What is checked")[2].partition("## An adapter")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(PLATFORM_CHECKS)


def test_tests_that_the_readme_names_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    names = re.findall(r"`(test_\w+)`", readme)
    assert names
    found = subprocess.run(
        ["grep", "-rhoE", "def (test_\\w+)", str(ROOT / "tests")], capture_output=True, text=True, check=True
    ).stdout
    for name in names:
        assert f"def {name}\n" in found, f"README: {name} does not exist"


def test_pages_name_no_machine() -> None:
    for path in [*PAGES, *Path(__file__).parent.glob("*.py")]:
        for word in ("/" + "work/", "/" + "tmp/", "pypi-" + "mirror", sys.prefix):
            assert word not in path.read_text(), f"{path.name} names {word}"
