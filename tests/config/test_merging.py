"""Files laid on one another: what merges, what replaces, what is deleted, and whose place a fault has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vedette.config import ConfigError, load
from vedette.config.faults import Source
from vedette.config.reading import read
from vedette.config.tree import Node, merge


def tree(text: str, name: str = "a.yaml") -> Node:
    found, faults = read(Source(name, text))
    assert found is not None
    assert not faults
    return found


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ("a: 1", "b: 2", {"a": 1, "b": 2}),
        ("a: {x: 1, y: 2}", "a: {y: 3}", {"a": {"x": 1, "y": 3}}),
        ("a: [1, 2, 3]", "a: [4]", {"a": [4]}),
        ("a: {x: 1}", "a: 5", {"a": 5}),
        ("a: 5", "a: {x: 1}", {"a": {"x": 1}}),
        ("a: 1\nb: 2", "a: null", {"b": 2}),
        ("a: {x: {y: 1, z: 2}}", "a: {x: {y: ~}}", {"a": {"x": {"z": 2}}}),
        ("a: 1", "b: null", {"a": 1}),
        ("a: 1", "b: {c: null, d: 2}", {"a": 1, "b": {"d": 2}}),
        ("a: {b: 1}", "a: {b: {c: null}}", {"a": {"b": {}}}),
    ],
)
def test_merge(base: str, over: str, expected: dict[str, Any]) -> None:
    assert merge(tree(base), tree(over)).data() == expected


def test_places_keep_their_own_file() -> None:
    merged = merge(tree("a: {x: 1, y: 2}", "base"), tree("\n\na: {y: 3}", "prod"))
    assert merged.place_of(("a", "x")).source.name == "base"
    assert (merged.place_of(("a", "y")).source.name, merged.place_of(("a", "y")).line) == ("prod", 3)


BASE = """\
version: 1
model: {name: income}
reference: data/reference.parquet
schema: {label: income}
monitors:
  drift: {detect: ks}
  quality: {metrics: [missing_rate]}
sinks: {out: {use: file, path: out.jsonl}}
"""


@pytest.fixture
def folders(folder: Path) -> tuple[Path, Path]:
    base, prod = folder / "base", folder / "prod"
    (base / "data").mkdir(parents=True)
    prod.mkdir()
    (folder / "reference.parquet").rename(base / "data" / "reference.parquet")
    (base / "base.yaml").write_text(BASE)
    return base, prod


def test_a_second_file_changes_the_first(folders: tuple[Path, Path]) -> None:
    base, prod = folders
    (prod / "prod.yaml").write_text(
        "monitors: {drift: {window: 500 rows}, quality: null}\nsinks: {log: {use: log}}\nstore: sqlite:///p.db\n"
    )
    plan = load(base / "base.yaml", prod / "prod.yaml")
    assert [m.name for m in plan.monitors] == ["drift"]
    assert plan.monitors[0].windows[0].rows == 500
    assert {sink.name for sink in plan.sinks} == {"out", "log"}


def test_paths_are_relative_to_the_file_that_says_them(folders: tuple[Path, Path]) -> None:
    base, prod = folders
    (prod / "prod.yaml").write_text("store: sqlite:///p.db\ntap: {spool: spool}\n")
    plan = load(base / "base.yaml", prod / "prod.yaml")
    assert plan.reference == str(base / "data" / "reference.parquet")
    assert plan.store == f"sqlite:///{prod / 'p.db'}"
    assert plan.tap.spool == str(prod / "spool")
    assert plan.sinks[0].component.options["path"] == str(base / "out.jsonl")
    assert plan.source["reference"] == "data/reference.parquet"


def test_faults_name_their_file(folders: tuple[Path, Path]) -> None:
    base, prod = folders
    (prod / "prod.yaml").write_text("monitors:\n  drift: {windw: 5}\nstor: x\n")
    with pytest.raises(ConfigError) as caught:
        load(base / "base.yaml", prod / "prod.yaml")
    assert [(Path(f.file).name, f.line, f.column) for f in caught.value.faults] == [
        ("prod.yaml", 2, 11),
        ("prod.yaml", 3, 1),
    ]
    assert caught.value.faults[0].source_line == "  drift: {windw: 5}"


def test_stores_that_are_no_files_stay(folders: tuple[Path, Path]) -> None:
    base, prod = folders
    for url in ("postgresql://h/db", "sqlite:////abs/x.db", "sqlite:///:memory:", "sqlite://"):
        (prod / "prod.yaml").write_text(f"store: '{url}'\n")
        assert load(base / "base.yaml", prod / "prod.yaml").store == url
