"""`monitors: auto`, and the YAML that it stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vedette.config import expand_plan, load_text
from vedette.config.plan import Plan

Load = Callable[..., Plan]
Faults = Callable[..., list[str]]


def names(plan: Plan) -> dict[str, list[str]]:
    return {monitor.name: [c.use for c in monitor.components] for monitor in plan.monitors}


ALL = {
    "quality": ["missing_rate", "moments"],
    "drift": ["tabular"],
    "shift": ["conformal"],
    "outliers": ["isolation_forest"],
    "performance": ["accuracy", "log_loss", "roc_auc"],
}


@pytest.mark.parametrize("body", ["monitors: auto", ""])
def test_five_lines_are_useful(body: str, load: Load) -> None:
    assert names(load(body)) == ALL


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("schema: {label: income}\ncapture: {probabilities: none}\n", {**ALL, "performance": ["accuracy"]}),
        ("schema: {features: {age: numeric, job: category}}\n", {k: v for k, v in ALL.items() if k != "performance"}),
        (
            "schema: {features: {job: category}}\n",
            {"quality": ["missing_rate"], "drift": ["tabular"], "shift": ["conformal"]},
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_out(head: str, expected: dict[str, list[str]], load: Load) -> None:
    found = names(load("", head="version: 1\nmodel: {name: m}\nreference: reference.parquet\n" + head))
    assert {name: parts for name, parts in found.items() if name != "outliers"} == {
        name: parts for name, parts in expected.items() if name != "outliers"
    }


def test_a_regression_model_has_its_errors_watched(load: Load) -> None:
    head = "version: 1\nmodel: {name: m}\nschema: {features: {a: numeric}, task: regression, label: y}\n"
    assert names(load("", head=head)) == {"quality": ["missing_rate", "moments"], "performance": ["mae", "rmse"]}


def test_without_a_reference_there_are_only_metrics(load: Load) -> None:
    head = "version: 1\nmodel: {name: m}\nschema: {features: {a: numeric}, task: binary, classes: [0, 1]}\n"
    assert names(load("", head=head)) == {"quality": ["missing_rate", "moments"]}


def test_nothing_to_watch_is_a_fault(faults: Faults) -> None:
    found = faults("", head="version: 1\nmodel: {name: m}\n")
    assert "auto has nothing to watch: set 'reference', or 'schema.features'" in found[0]


def test_rules_may_name_automatic_monitors(load: Load, faults: Faults) -> None:
    assert load('alerts: {decay: "drift.drifted and performance.accuracy < 0.8"}').alerts[0].monitor == ""
    assert "did you mean 'drift'?" in faults("alerts: {decay: drifts.drifted}")[0]


def test_the_source_holds_the_monitors_that_auto_stood_for(load: Load) -> None:
    source = load("monitors: auto").source
    assert list(source["monitors"]) == list(ALL)


BODIES = [
    "monitors: auto",
    "monitors: {d: {detect: ks, window: [1h, 500 rows, lifetime], alert: false, by: job}}",
    "monitors: {o: {detect: {use: mahalanobis, fdr: 0.01}, pool: heavy}, a: {detect: conformal, of: o.score}}",
    "windows: {w: {span: 1h, every: 5m}}\nmonitors: {q: {metrics: [{use: quantile, q: 0.9, as: p90}], window: w}}",
    "sinks: {s: {use: webhook, url: '${U:-http://h/x}'}}\nalerts: {x: {when: 'drift.drifted', for: 5m}}",
]


@pytest.mark.parametrize("body", BODIES)
def test_the_expanded_yaml_loads_to_the_same_plan(body: str, load: Load, folder: Path) -> None:
    plan = load(body)
    text = expand_plan(plan)
    again = load_text(text, base=folder, env={})
    assert dataclasses.replace(again, source={}) == dataclasses.replace(plan, source={})
    assert expand_plan(again) == text


def test_the_expanded_yaml_says_what_was_inferred(load: Load) -> None:
    said = yaml.safe_load(expand_plan(load("")))
    assert list(said)[:5] == ["version", "model", "reference", "schema", "monitors"]
    assert said["schema"] == {
        "task": "binary",
        "classes": ["<=50K", ">50K"],
        "positive": ">50K",
        "label": "income",
        "threshold": 0.5,
        "features": {"age": "numeric", "hours": "numeric", "job": "category"},
    }
    assert said["monitors"]["drift"] == {
        "detect": "tabular",
        "window": {"last": "1000 rows", "every": "250 rows"},
        "alert": {"when": "drifted", "severity": "warn"},
        "pool": "default",
    }
