"""Whatever stands in the file: a plan, or faults with places inside it; never another exception."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.config import ConfigError, load_text
from vedette.config.faults import Fault, Source
from vedette.config.reading import read
from vedette.config.validation import validate

FULL = """\
version: 1
model: {name: income, uri: "models:/income@champion"}
reference: {uri: reference.parquet}
schema: {task: binary, classes: ["<=50K", ">50K"], positive: ">50K", label: income, features: {age: auto}}
capture: {deployment: Income, inputs: body.rows, attributes: {region: header.x-region}}
labels: {join: id, within: 7d}
store: "${STORE:-sqlite:///vedette.db}"
windows: {recent: {last: 1000 rows, every: 250 rows}, hourly: {span: 1h, every: 10m, min: 200 rows, grace: 5m}}
preprocessors: {white: {use: standardise}}
monitors:
  performance: {metrics: [accuracy, {use: f_beta, beta: 2.0, as: f2}], window: [hourly, 7d], by: region,
                alert: {when: "accuracy < 0.7", for: 3, severity: page}}
  drift: {detect: ks, window: recent, preprocess: [white]}
  outliers: {detect: {use: mahalanobis, fdr: 0.1}, explain: {use: why, at_most: 5 per 1m}, pool: heavy}
  attack: {detect: conformal, of: outliers.score, alert: false}
alerts: {decay: {when: "drift.drifted and attack.alarm", for: 10m}}
explainers: {why: {use: kernel_shap, background: 100, deadline: 10s}}
pools: {default: {replicas: 1}, heavy: {replicas: {min: 0, max: 4}, cpus: 0.5}}
sinks: {pager: {use: webhook, url: "http://h/x", events: [alert], severity: [page]}}
tap: {buffer: 100000 rows, spool: spool}
privacy: {redact: [ssn], payloads: {sample: 0.5}}
server: {tokens: {read: a}, port: 80}
retention: 30d
"""
TREE = yaml.safe_load(FULL)


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


PATHS = list(paths(TREE))


def always() -> set[tuple[Any, ...]]:
    """Every section, and one path inside each: the same ones in every run. The others are slow in sum."""
    chosen = random.Random(5)
    inside = {section: [path for path in PATHS if path[0] == section and len(path) > 1] for section in TREE}
    return {(section,) for section in TREE} | {chosen.choice(some) for some in inside.values() if some}


ALWAYS = always()
EACH = [pytest.param(p, id=".".join(map(str, p)), marks=[] if p in ALWAYS else [pytest.mark.slow]) for p in PATHS]
SCALARS = [None, True, False, 0, -1, 3, 1.5, float("inf"), 10**30, "", "x", "\u2028", "é" * 200]
TEXTS = ["1h", "5 rows", "1 per 5 rows", "5 per 1m", "${X}", "${", "drift.score", "not a rule (", "auto", "performance"]
NESTED = [[], [[]], [None], ["a", "a"], {}, {"a": {}}, {"use": 3}, {"use": "nope", "x": 1}, {"when": None}]
VALUES = [*SCALARS, *TEXTS, *NESTED]
SHARED = [HealthCheck.function_scoped_fixture]


def check(text: str, folder: Path) -> None:
    """Faults lie within the file, and say something."""
    faults: tuple[Fault, ...] = ()
    try:
        load_text(text, "m.yaml", folder, env={})
    except ConfigError as error:
        faults = error.faults
        assert faults
    lines = text.splitlines()
    for fault in faults:
        assert fault.message
        assert fault.file == "m.yaml"
        assert 0 <= fault.line <= len(lines)
        assert 0 <= fault.column <= (len(lines[fault.line - 1]) if fault.line else 0) + 1
        assert "[type=" not in fault.message
        assert "Input should" not in fault.message


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    tree: Any = copy.deepcopy(TREE)
    holder = tree
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return dict(tree)


def test_unchanged_it_is_a_plan(folder: Path) -> None:
    assert len(load_text(FULL, "m.yaml", folder, env={}).monitors) == 4


@pytest.mark.parametrize("path", EACH)
def test_any_value_may_be_missing(path: tuple[Any, ...], folder: Path) -> None:
    check(yaml.safe_dump(changed(path, None)), folder)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_kind_of_value_may_be_wrong(value: Any, folder: Path) -> None:
    path = random.Random(VALUES.index(value)).choice(PATHS)
    check(yaml.safe_dump(changed(path, value), allow_unicode=True), folder)


@pytest.mark.parametrize("values", [NESTED[-4:-2], pytest.param(VALUES, marks=pytest.mark.slow)], ids=["some", "all"])
def test_validation_comes_to_an_end(values: list[Any]) -> None:
    """It leaves out what is at fault until the rest is valid, whatever stands wherever."""
    for path, value in itertools.product(PATHS, values):
        tree, _ = read(Source("m.yaml", yaml.safe_dump(changed(path, value), allow_unicode=True)))
        if tree is not None:
            validate(tree, [])


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=SHARED)
@given(path=st.sampled_from(PATHS), value=st.sampled_from(VALUES))
def test_any_value_may_be_wrong(path: tuple[Any, ...], value: Any, folder: Path) -> None:
    check(yaml.safe_dump(changed(path, value), allow_unicode=True), folder)


@settings(max_examples=30, suppress_health_check=SHARED)
@given(at=st.integers(0, len(FULL) - 1), length=st.integers(0, 12), text=st.text(max_size=3))
def test_any_text_may_be_torn(at: int, length: int, text: str, folder: Path) -> None:
    check(FULL[:at] + text + FULL[at + length :], folder)


@pytest.mark.parametrize("end", range(0, len(FULL), 151))
def test_any_text_may_end_early(end: int, folder: Path) -> None:
    check(FULL[:end], folder)
