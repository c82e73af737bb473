"""What `vedette replay` shows, at the width of a plain terminal."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from vedette.cli.replay_tables import MOST_ALERTS, SHOWN, alerts_table, by_time, results_table, value_lines

YAML = """
version: 1
model: {name: wide}
reference: reference.csv
schema: {features: {FEATURES}}
monitors:
  stats: {metrics: [moments], window: 100 rows, by: region}
  drift: {detect: ks, window: {last: 100 rows, every: 50 rows}}
  shift: {detect: {use: conformal, false_alarms: 1 per 1000 rows}}
  late: {metrics: [missing_rate], window: 200 rows, alert: "overall_missing_rate < 0.5"}
"""
COLUMNS = [f"column_{i:02}" for i in range(30)]


def drawn(table: Any, width: int = 80) -> list[str]:
    console = Console(width=width, file=StringIO(), record=True, color_system=None)
    console.print(table)
    return console.export_text().splitlines()


def result(monitor: str = "drift", segment: str = "", end: float = 0.0, **values: Any) -> dict[str, Any]:
    return {"monitor": monitor, "window": "1000 rows", "segment": segment, "end": end, "n": 7, "status": "ok",
            "values": values, "details": {}}  # fmt: skip


def change(time: float, rule: str = "drift", value: float | None = 1.0) -> dict[str, Any]:
    return {"time": time, "rule": rule, "segment": "", "state": "firing", "severity": "warn", "value": value}


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"accuracy": 0.912345, "log_loss": None}, ["accuracy 0.9123"]),
        ({"mean": {"a": 1.0, "b": -9.0, "c": 3.0, "d": None}}, ["mean (4): b -9, c 3, …"]),
        ({"p_value": {"a": 0.5, "b": 1e-9, "c": 0.01}}, ["p_value (3): b 1e-09, c 0.01, …"]),
        ({"ks_p_value": {"a": 0.5, "b": 0.0}}, ["ks_p_value (2): b 0, a 0.5"]),
        ({"mean": {"a": 2.0}}, ["mean (1): a 2"]),
        ({"mean": {"a": None}, "sd": {}}, ["mean (1): none known", "sd (0): none known"]),
        ({f"v{i}": 1.0 for i in range(SHOWN + 3)}, [*(f"v{i} 1" for i in range(SHOWN)), "and 3 more"]),
        ({f"v{i}": 1.0 for i in range(SHOWN)}, [f"v{i} 1" for i in range(SHOWN)]),
        ({}, []),
    ],
)
def test_a_line_a_value(values: dict[str, Any], lines: list[str]) -> None:
    assert value_lines(values) == lines


def test_only_the_last_result_of_each_series_is_shown() -> None:
    rows = [result(end=1.0, drifted=0.0), result(segment="region=eu", drifted=1.0), result(end=9.0, drifted=5.0)]
    text = "\n".join(drawn(results_table(rows, 80)))
    assert "drifted 5" in text
    assert "drifted 0" not in text
    assert "1970-01-01 00:00:09" in text
    assert text.count("7 rows") == 2
    assert "region=eu" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_wide_value_takes_one_line(width: int) -> None:
    long = {f"{'long ' * 9}{i}": float(i) for i in range(40)}
    lines = drawn(results_table([result(mean=long, sd=long, p_value=long)], width), width)
    assert len(lines) == 8  # title, head of three lines, three values, the bottom
    assert [line.split("│")[1].strip() for line in lines[4:6]] == ["drift", "1000 rows"]
    assert "1970-01-01 00:00:00" in lines[4]
    assert all(len(line) <= width for line in lines)
    assert sum("(40): long" in line for line in lines) == 3


def test_brackets_in_names_are_shown() -> None:
    (line,) = [line for line in drawn(results_table([result(mean={"[red]x[/]": 1.0})], 80)) if "mean" in line]
    assert "[red]x[/] 1" in line


def test_alerts_are_sorted_by_time() -> None:
    alerts = [change(30.0, "c"), change(10.0, "a"), change(10.0, "b", None), change(20.0, "d")]
    assert [alert["rule"] for alert in by_time(alerts)] == ["a", "b", "d", "c"]
    lines = [line.split("│")[1:3] for line in drawn(alerts_table(alerts)) if "firing" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["1970-01-01 00:00:10", "a"],
        ["1970-01-01 00:00:10", "b"],
        ["1970-01-01 00:00:20", "d"],
        ["1970-01-01 00:00:30", "c"],
    ]


def test_of_very_many_alerts_the_first_and_the_last_are_shown() -> None:
    lines = drawn(alerts_table(change(float(i)) for i in reversed(range(59))))
    shown = [line for line in lines if "firing" in line]
    assert len(shown) == MOST_ALERTS
    assert "00:00:19" in shown[19]
    assert "00:00:39" in shown[20]
    assert any("59 changes of alerts; the first and the last 20 are shown." in line for line in lines)


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A model of thirty features, whose logged rows come in two regions and drift at the end."""
    rng = np.random.default_rng(0)
    features = ", ".join(f"{name}: numeric" for name in COLUMNS)
    pd.DataFrame(rng.normal(size=(600, 30)), columns=COLUMNS).to_csv(tmp_path / "reference.csv", index=False)
    rows = pd.DataFrame(rng.normal(size=(400, 30)), columns=COLUMNS)
    rows.loc[200:, "column_07"] += 6.0
    rows = rows.assign(time=1_700_000_000 + np.arange(400), region=np.where(np.arange(400) % 2, "eu", "us"))
    rows.to_csv(tmp_path / "live.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML.replace("FEATURES", features))
    return tmp_path


def test_a_replay_at_80_columns(vedette, logged: Path) -> None:
    done = vedette("replay", "monitors.yaml", "live.csv", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    results, _, alerts = done.stdout.partition("Alerts")
    assert len(results.splitlines()) < 50
    for name in ("stats", "drift", "shift", "late", "region=eu"):
        assert f"│ {name} " in results
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "column_07" in next(line for line in results.splitlines() if "mean (30)" in line)
    times = [line.split("│")[1].strip() for line in alerts.splitlines() if "firing" in line or "resolved" in line]
    assert len(times) >= 3
    assert times == sorted(times)


def test_the_json_is_sorted_too(vedette, logged: Path) -> None:
    done = vedette("replay", "monitors.yaml", "live.csv", "--json")
    times = [alert["time"] for alert in json.loads(done.stdout)["alerts"]]
    assert len(times) >= 3
    assert times == sorted(times)


def test_what_is_insufficient_is_named_in_full() -> None:
    names = ["roc_auc", "log_loss", "average_precision"]
    row = result("performance", accuracy=0.9) | {"details": {"insufficient": names}}
    assert any(
        "insufficient: roc_auc, log_loss, average_precision" in line for line in drawn(results_table([row], 100))
    )
