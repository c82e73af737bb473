"""`vedette check` and `vedette init`, as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from vedette.cli import check, init

YAML = """\
version: 1
model: {name: income}
reference: reference.parquet
schema: {label: income, positive: ">50K"}
monitors:
  drift: {detect: tabular, window: [1h, 1000 rows]}
  performance: {metrics: [{use: accuracy, as: acc}], alert: acc < 0.7}
  shift: {detect: conformal}
  outliers: {detect: mahalanobis, pool: heavy}
  attack: {detect: conformal, of: outliers.score}
sinks: {pager: {use: webhook, url: "${URL:-http://h/s3cret}"}}
"""


@pytest.fixture
def config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("URL", raising=False)
    (folder / "monitors.yaml").write_text(YAML)
    return folder / "monitors.yaml"


def run(*arguments: str) -> Result:
    cli = typer.Typer()
    cli.callback()(lambda: None)
    check.register(cli)
    init.register(cli)
    return CliRunner().invoke(cli, list(arguments))


def test_check_prints_the_plan(config: Path) -> None:
    result = run("check", "monitors.yaml")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.stdout.startswith("income: binary, 2 classes, positive '>50K', label 'income'; 3 features (2 numeric")
    assert [
        "drift",
        "tabular",
        "inputs",
        "1h",
        "every",
        "15m,",
        "1000",
        "rows",
        "every",
        "250",
        "rows",
        "1s",
        "default",
        "drifted",
    ] in lines
    assert [
        "performance",
        "accuracy",
        "as",
        "acc",
        "inputs",
        "1000",
        "rows",
        "every",
        "250",
        "rows",
        "1s",
        "default",
        "acc",
        "<",
        "0.7",
    ] in lines
    assert ["attack", "conformal", "outliers.score", "-", "1s", "heavy", "alarm"] in lines
    assert any(line[:1] == ["total"] for line in lines)


def test_check_measures_costs(config: Path) -> None:
    result = run("check", "monitors.yaml", "--json", "--rate", "500")
    body = json.loads(result.stdout)
    costs = {cost["monitor"]: cost for cost in body["costs"]}
    assert {"drift", "shift", "outliers"} <= set(costs)
    assert all(cost["panes"] == 1.0 and cost["state_bytes"] > 0 for cost in costs.values())
    assert all(cost["add_ms"] > 0 and cost["fold_ms"] > 0 for cost in costs.values())
    assert body["rate"] == 500


def test_check_shows_periods_of_the_calendar_and_rules_over_several_monitors(config: Path) -> None:
    two = """
monitors:
  quality: {metrics: [missing_rate], window: [day, {calendar: month, every: 1d}]}
  drift: {detect: ks}
alerts:
  decay: {when: quality.overall_missing_rate > 0.5 and drift.drifted, severity: page, for: 10m}
"""
    config.write_text(config.read_text().partition("monitors:")[0] + two)
    result = run("check", "monitors.yaml")
    assert result.exit_code == 0, result.exception
    assert "day, month every 1d" in result.stdout
    (line,) = [line.split() for line in result.stdout.splitlines() if line.startswith("decay")]
    rule = "quality.overall_missing_rate > 0.5 and drift.drifted"
    assert " ".join(line) == f"decay {rule} 10m page"
    body = json.loads(run("check", "monitors.yaml", "--json").stdout)
    assert body["alerts"] == [{"name": "decay", "when": rule, "for": "10m", "severity": "page"}]
    assert all(cost["fold_ms"] > 0 for cost in body["costs"])


def test_check_without_costs_measures_nothing(config: Path) -> None:
    assert json.loads(run("check", "monitors.yaml", "--json", "--no-costs").stdout)["costs"] == []


def test_check_lays_files_on_one_another(config: Path) -> None:
    (config.parent / "prod.yaml").write_text("monitors: {drift: null, outliers: {pool: big}}\n")
    body = json.loads(run("check", "-f", "monitors.yaml", "-f", "prod.yaml", "--json", "--no-costs").stdout)
    assert [(m["monitor"], m["pool"]) for m in body["monitors"]] == [
        ("performance", "default"), ("shift", "default"), ("outliers", "big"), ("attack", "big"),
    ]  # fmt: skip


def test_check_expands(config: Path) -> None:
    result = run("check", "monitors.yaml", "--expand")
    said = yaml.safe_load(result.stdout)
    assert said["monitors"]["drift"]["alert"] == {"when": "drifted", "severity": "warn"}
    assert said["sinks"]["pager"]["url"] == "${URL:-http://h/s3cret}"


def test_check_tells_every_fault_and_leaves_with_2(config: Path) -> None:
    config.write_text(YAML.replace("tabular,", "tabulr,").replace("pool:", "pol:"))
    result = run("check", "monitors.yaml")
    assert result.exit_code == 2
    assert "did you mean 'tabular'?" in result.stderr
    assert "unknown key 'pol'; did you mean 'pool'?\n    outliers: {detect: mahalanobis, pol: heavy}" in result.stderr
    assert result.stderr.rstrip().endswith("2 faults")
    faults = json.loads(run("check", "monitors.yaml", "--json").stdout)["faults"]
    assert [(fault["line"], fault["column"]) for fault in faults] == [(6, 19), (9, 35)]


def test_check_never_shows_a_secret(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "http://h/t0psecret")
    for arguments in (["--no-costs"], ["--expand"], ["--json", "--no-costs"]):
        assert "t0psecret" not in run("check", "monitors.yaml", *arguments).output


def test_check_needs_a_file(config: Path) -> None:
    result = run("check")
    assert result.exit_code == 2
    assert "vedette check monitors.yaml" in result.output


def test_check_decodes_a_sample(config: Path) -> None:
    rows = [{"age": 30, "hours": 40, "job": "clerk"}, {"age": 50, "hours": 20, "job": "smith"}]
    (config.parent / "request.json").write_text(json.dumps({"dataframe_records": rows}))
    (config.parent / "response.json").write_text(json.dumps({"predictions": ["<=50K", ">50K"]}))
    result = run("check", "monitors.yaml", "--sample", "request.json", "response.json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert (body["rows"], body["inputs"]) == (2, rows)
    assert body["prediction"] == ["<=50K", ">50K"]


def test_init_writes_what_check_takes(config: Path) -> None:
    config.unlink()
    result = run("init", "--model", "income", "--label", "income", "reference.parquet")
    assert result.exit_code == 0, result.output
    said = yaml.safe_load(config.read_text())
    assert said["model"] == {"name": "income"}
    assert said["reference"] == "reference.parquet"
    assert said["schema"] == {
        "task": "binary",
        "label": "income",
        "classes": ["<=50K", ">50K"],
        "positive": ">50K",
        "threshold": 0.5,
        "features": {"age": "numeric", "hours": "numeric", "job": "category"},
    }
    assert "#" in config.read_text()
    assert run("check", "monitors.yaml", "--no-costs").exit_code == 0


def test_init_writes_paths_relative_to_the_file(config: Path) -> None:
    (config.parent / "deploy").mkdir()
    assert run("init", "reference.parquet", "-o", "deploy/m.yaml").exit_code == 0
    assert yaml.safe_load((config.parent / "deploy" / "m.yaml").read_text())["reference"] == "../reference.parquet"
    assert run("check", "deploy/m.yaml", "--no-costs").exit_code == 0


def test_init_overwrites_only_when_told(config: Path) -> None:
    before = config.read_text()
    result = run("init", "reference.parquet")
    assert result.exit_code == 2
    assert "--force" in result.output
    assert config.read_text() == before
    assert run("init", "reference.parquet", "--force").exit_code == 0
    assert config.read_text() != before


def test_init_of_a_label_that_is_not_there(config: Path) -> None:
    result = run("init", "--label", "incme", "reference.parquet", "--force")
    assert isinstance(result.exception, ValueError)
    assert "the reference has no label column 'incme'; did you mean 'income'?" in str(result.exception)


@pytest.mark.parametrize(("command", "example"), [("check", "vedette check"), ("init", "vedette init")])
def test_help_has_an_example(command: str, example: str, config: Path) -> None:
    assert example in run(command, "--help").stdout


def test_the_plan_fits_a_plain_terminal(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("check", "monitors.yaml", "--no-costs").stdout.splitlines()
    table = [line.rstrip() for line in lines[1:]]
    assert max(map(len, table)) <= 80
    assert not any("…" in line for line in table)
    heads = table[0].split()
    assert heads == ["monitor", "components", "of", "windows", "pool", "alert"]
    first = [line.split()[0] for line in table[1:] if line and line[0] != " "]
    assert first == ["drift", "performance", "shift", "outliers", "attack"]
    assert any("outliers.score" in line for line in table)
    auto = config.read_text().partition("monitors:")[0]
    config.write_text(auto)
    assert run("check", "monitors.yaml", "--no-costs").stdout.splitlines()[1].split() == [
        "monitor", "components", "windows", "alert",
    ]  # fmt: skip
