"""`vedette tune`: alarms of history, proposed thresholds that do what they say, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from vedette.cli import make_cli
from vedette.config import load_all

YAML = """
version: 1
model: {name: tuned}
reference: reference.csv
schema: {label: y, features: {x: numeric}}
store: "sqlite:///none.db"
monitors:
  level:  {metrics: [moments], window: {span: 1h, every: 1h}, alert: {when: 'mean("x") > 0.25', severity: page}}
  low:
    metrics: [moments]
    window: {span: 1h, every: 1h}
    alert: {when: '-0.3 > mean("x")', for: 2, keep_firing_for: 3h}
  right:  {metrics: [accuracy], window: {span: 6h, every: 6h}, alert: "accuracy < 0.5"}
  drift:  {detect: ks, window: {span: 6h, every: 6h}}
  change: {metrics: [moments], window: {span: 1h, every: 1h}, alert: {when: 'mean("x")', change: cusum}}
alerts:
  both: {when: 'level.mean("x") - low.mean("x") > 0.1'}
sinks: {loud: {use: file, path: "SINK"}}
"""
HOURS, A_HOUR = 24 * 20, 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 days of history, 20 rows an hour, whose model is right nine times of ten."""
    found = tmp_path_factory.mktemp("tune")
    rng = np.random.default_rng(0)
    n = HOURS * A_HOUR
    y = rng.choice(["a", "b"], n)
    prediction = np.where(rng.random(n) < 0.9, y, np.where(y == "a", "b", "a"))
    time = 1.7e9 // 3600 * 3600 + np.arange(n) * 3600.0 / A_HOUR
    ids = [f"r{i}" for i in range(n)]
    frame = pd.DataFrame({"id": ids, "x": rng.normal(size=n), "y": y, "prediction": prediction, "time": time})
    frame.iloc[:500].drop(columns=["id", "time"]).to_csv(found / "reference.csv", index=False)
    frame.to_csv(found / "history.csv", index=False)
    frame.drop(columns="y").to_csv(found / "bare.csv", index=False)
    frame[["id", "y"]].rename(columns={"y": "label"}).to_csv(found / "labels.csv", index=False)
    (found / "monitors.yaml").write_text(YAML.replace("SINK", str(found / "sink.jsonl")))
    return found


def run(folder: Path, *arguments: str, data: str = "history.csv", code: int = 0) -> Any:
    command = ["tune", str(folder / "monitors.yaml"), str(folder / data), *arguments]
    result = CliRunner().invoke(make_cli(), command)
    assert (result.exit_code == 0) == (code == 0), f"{result.output}{result.exception!r}"
    return result


@pytest.fixture(scope="module")
def tuned(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(folder, "--false-alarms", "1 per 2d", "--json").stdout)
    return found


def test_it_says_what_each_rule_would_have_raised(tuned: dict[str, Any], folder: Path) -> None:
    rules = {rule["rule"]: rule for rule in tuned["rules"]}
    x = pd.read_csv(folder / "history.csv").x.to_numpy().reshape(HOURS, A_HOUR).mean(axis=1)
    holds = x > 0.25
    expected = int((holds & ~np.r_[False, holds[:-1]]).sum())
    level = rules["level"]
    assert level["alarms"] == expected > 10
    assert level["alarms_per_day"] == pytest.approx(expected / 20, rel=0.01)
    assert len(level["first_alarms"]) == 5
    assert level["evaluations"] == HOURS
    assert tuned["history"]["rows"] == HOURS * A_HOUR
    assert tuned["history"]["days"] == pytest.approx(20, abs=0.01)
    assert level["allowed"] == pytest.approx(10, abs=0.01)


def test_it_proposes_thresholds_and_says_why_it_does_not(tuned: dict[str, Any]) -> None:
    rules = {rule["rule"]: rule for rule in tuned["rules"]}
    assert rules["level"]["threshold"] > 0.25
    assert rules["level"]["alarms_proposed"] == 8
    assert rules["low"]["proposed"].startswith('mean("x") < -0.')
    assert 0.5 < rules["right"]["threshold"] < 1.0
    assert rules["right"]["evaluations"] == 81  # the first and the last hold a part of six hours
    assert rules["drift"]["note"] == "not one comparison of values with < or >"
    assert rules["change"]["note"] == "its budget is 'false_alarms'"
    assert rules["both"]["proposed"].startswith('level.mean("x") - low.mean("x") > ')


def test_the_snippet_is_laid_on_and_does_what_it_says(tuned: dict[str, Any], folder: Path) -> None:
    body = yaml.safe_load(tuned["yaml"])
    assert set(body["monitors"]) == {"level", "low", "right"}
    low = body["monitors"]["low"]["alert"]
    assert (low["for"], low["keep_firing_for"], low["severity"]) == (2, "3h", "warn")
    over = folder / "tuned.yaml"
    over.write_text(tuned["yaml"])
    plan = load_all([folder / "monitors.yaml", over]).plan
    assert {rule.name: rule.severity for rule in plan.rules}["level"] == "page"
    again = json.loads(run(folder, "--false-alarms", "1 per 2d", "--json", "-f", str(over)).stdout)
    before = {rule["rule"]: rule for rule in tuned["rules"]}
    for rule in again["rules"]:
        if before[rule["rule"]]["threshold"] is not None:
            assert rule["alarms"] == before[rule["rule"]]["alarms_proposed"], rule["rule"]


def test_no_sink_hears_of_it_and_no_store_is_made(tuned: dict[str, Any], folder: Path) -> None:
    assert tuned["rules"]
    assert not (folder / "sink.jsonl").exists()
    assert not (folder / "none.db").exists()


def test_labels_may_come_by_themselves(folder: Path, tuned: dict[str, Any]) -> None:
    apart = json.loads(
        run(
            folder, "--labels", str(folder / "labels.csv"), "--false-alarms", "1 per 2d", "--json", data="bare.csv"
        ).stdout
    )
    of = {rule["rule"]: rule["threshold"] for rule in apart["rules"]}
    assert of["right"] == {rule["rule"]: rule["threshold"] for rule in tuned["rules"]}["right"]


def test_a_table_for_people(folder: Path) -> None:
    shown = run(folder, "--false-alarms", "1 per 100 windows").stdout
    assert "9,600 rows, 20 days" in shown
    assert "To be laid on the configuration" in shown
    assert "level fired at 2023-11-" in shown
    assert "too short: 81" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1 per 30d", "it supports 1 per 20 days at the rarest"),
        ("1 per 100000 rows", "it supports 1 per 9600 rows at the rarest"),
        ("rarely", "--false-alarms: 'rarely' is no budget of false alarms"),
    ],
)
def test_refusals(folder: Path, wanted: str, message: str) -> None:
    result = run(folder, "--false-alarms", wanted, code=2)
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)


@pytest.fixture
def changed(folder: Path) -> str:
    """The history with a change of x after 14 of its 20 days."""
    frame = pd.read_csv(folder / "history.csv")
    frame["x"] += 0.8 * (np.arange(len(frame)) >= 0.7 * len(frame))
    frame.to_csv(folder / "changed.csv", index=False)
    return "changed.csv"


def test_a_change_in_the_history_itself_is_told(folder: Path, tuned: dict[str, Any], changed: str) -> None:
    assert all(rule["shifts"] == [] for rule in tuned["rules"])
    result = run(folder, "--false-alarms", "1 per 2d", "--json", data=changed)
    rules = {rule["rule"]: rule for rule in json.loads(result.stdout)["rules"]}
    (shift,) = rules["level"]["shifts"]
    at = 1.7e9 // 3600 * 3600 + 14 * 86_400
    assert abs(shift["time"] - at) <= 3 * 3600
    assert (shift["segment"], shift["window"]) == ("", "1h every 1h")
    assert shift["before"] == pytest.approx(0.0, abs=0.1)
    assert shift["after"] == pytest.approx(0.8, abs=0.1)
    assert rules["right"]["shifts"] == []
    assert "note: level: the history itself seems to change at 2023-11-2" in result.stderr
    assert "choose a quiet part with --since and --until" in result.stderr


def test_a_part_of_the_history(folder: Path, tuned: dict[str, Any], changed: str) -> None:
    before = ("--until", "2023-11-28T22:00:00")
    result = run(folder, "--false-alarms", "1 per 2d", "--json", *before, data=changed)
    body = json.loads(result.stdout)
    assert body["history"]["days"] == pytest.approx(14, abs=0.01)
    assert "the history itself" not in result.stderr
    after = json.loads(run(folder, "--false-alarms", "1 per 2d", "--json", "--since", str(1.7e9 + 86_400)).stdout)
    assert after["history"]["start"] >= 1.7e9 + 86_400
    none = run(folder, "--false-alarms", "1 per 2d", "--since", "2030-01-01", code=2)
    assert "no row is between --since and --until; there are rows from 2023-11-14 22:00:00" in str(none.exception)
    turned = run(folder, "--false-alarms", "1 per 2d", "--since", "2023-11-20", "--until", "2023-11-16", code=2)
    said = "--since: '2023-11-20' is after --until, '2023-11-16': they are the wrong way round"
    assert said in str(turned.exception)
    odd = run(folder, "--false-alarms", "1 per 2d", "--since", "noon", code=2)
    assert "--since: 'noon' is no time; allowed: seconds since the epoch, or ISO 8601" in str(odd.exception)
