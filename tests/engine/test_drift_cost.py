"""The map from drift to what it has cost: monotone, with a band that holds, and read from what was served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from vedette import Session
from vedette.cli import make_cli
from vedette.config.plan import ComponentSpec, MonitorSpec, Plan, WindowSpec
from vedette.engine.drift_cost import apart, fit_drift_cost, paired_windows
from vedette.store.results import StoredResult
from vedette_specs import Schema

YAML = """
version: 1
model: {name: m}
reference: reference.csv
schema: {task: binary, classes: [n, y], positive: "y", label: label, features: {x: numeric}}
store: sqlite:///store.db
monitors:
  drift: {detect: {use: ks, min_rows: 20}, window: [{span: 1m, every: 1m}, {span: 10m, every: 10m}], alert: false}
  performance: {metrics: [accuracy], window: {span: 1m, every: 1m}}
"""


def windows(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    drift = rng.random(n)
    return drift, drift**2 + rng.normal(0.0, 0.05, n)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_map_is_monotone_and_near_the_truth(sign: float) -> None:
    drift, loss = windows(np.random.default_rng(0), 300)
    found = fit_drift_cost(drift, sign * loss)
    assert found.rising == (sign > 0)
    assert np.all(np.diff(found.fitted) * sign >= 0.0)
    for x in (0.2, 0.5, 0.8):
        assert found.at(x)[0] == pytest.approx(sign * x**2, abs=0.04)
    assert found.at(5.0) == found.at(float(found.drift[-1])), "level beyond what was seen"


@pytest.mark.parametrize("n", [12, 40])
def test_the_band_holds_a_new_window_as_often_as_it_says(n: int) -> None:
    rng, held = np.random.default_rng(n), 0
    simulations = 150
    for _ in range(simulations):
        drift, loss = windows(rng, n + 1)
        _, low, high = fit_drift_cost(drift[:n], loss[:n], 0.9).at(float(drift[n]))
        held += low <= loss[n] <= high
    assert held / simulations >= 0.9 - 3 * np.sqrt(0.09 / simulations)


def test_too_few_windows_give_no_band_or_no_map() -> None:
    drift, loss = windows(np.random.default_rng(1), 10)
    assert fit_drift_cost(drift, loss, 0.95).at(0.5)[2] == np.inf
    with pytest.raises(ValueError, match="9 windows have both values; a map needs 10 or more"):
        fit_drift_cost(drift[:9], loss[:9])
    with pytest.raises(ValueError, match="the drift is 0 in all 10 windows"):
        fit_drift_cost(np.zeros(10), loss)


UNKNOWN = [
    (
        "drift.nosuch",
        "performance.accuracy",
        "drift.nosuch is known of no window: 'drift' has no such value; allowed: ",
    ),
    ("drift.statistc", "performance.accuracy", "'drift' has no such value; did you mean 'statistic'?"),
    (
        "drift.statistic",
        "performance.accuracy",
        "'statistic' has a value for each column; write drift.statistic(\"x\")",
    ),
    ('drift.statistic("y")', "performance.accuracy", "'statistic' of that column; allowed: x"),
    ('drift.statistic("x")', 'performance.accuracy("x")', "'accuracy' is one number, without columns"),
    ('drift.statistic("x")', "performance.acuracy", "'performance' has no such value; did you mean 'accuracy'?"),
]


def serve(rng: np.random.Generator, minutes: int, shifts: Callable[[int], float]) -> None:
    """200 rows a minute into the store of a configuration that is in the working folder."""
    pd.DataFrame({"x": rng.normal(size=1000), "label": rng.choice(["n", "y"], 1000)}).to_csv("reference.csv")
    n = 200
    with Session("monitors.yaml", event_time=True) as session:
        for minute in range(minutes):
            shift = shifts(minute)
            truth = rng.choice(["n", "y"], n)
            wrong = rng.random(n) < 0.05 + 0.2 * shift
            answer = np.where(wrong, np.where(truth == "y", "n", "y"), truth)
            times = 1.7e9 // 3600 * 3600 + 60 * minute + np.arange(n) * 0.3
            rows = pd.DataFrame({"x": rng.normal(shift, 1.0, n)})
            session.feedback(session.log(rows, prediction=answer, time=times), truth.tolist())
        session.finish()


def ask(drift: str, loss: str = "performance.accuracy", *more: str) -> Result:
    return CliRunner().invoke(make_cli(), ["drift-cost", "monitors.yaml", "--drift", drift, "--loss", loss, *more])


def test_it_is_read_from_what_was_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("monitors.yaml").write_text(YAML)
    serve(np.random.default_rng(2), 30, lambda minute: minute / 15)
    said = json.loads(
        ask('drift.statistic("x")', "performance.accuracy", "--at", "0.05", "--at", "0.6", "--json").output
    )
    assert (said["windows"], said["rising"]) == (30, False)
    calm, far = said["map"]
    assert calm["expected"] == pytest.approx(0.95, abs=0.05)
    assert far["expected"] == pytest.approx(0.6, abs=0.08)
    assert far["low"] < far["expected"] < far["high"] < calm["expected"]
    assert "performance.accuracy falls with" in ask('drift.statistic("x")').output
    for drift, loss, message in UNKNOWN:
        assert message in str(ask(drift, loss).exception)


@pytest.mark.parametrize(
    ("drift", "loss", "windows"),
    [
        (["2m", "1m"], ["1h", "1m", "2m"], ("2m", "2m")),  # the first of the drift's that the loss has too
        (["2m"], ["1h", "1m"], ("2m", "1h")),
    ],
)
def test_windows_that_both_have_are_related(drift: list[str], loss: list[str], windows: tuple[str, str]) -> None:
    def named(names: list[str]) -> tuple[WindowSpec, ...]:
        return tuple(WindowSpec(name, span=60.0, every=60.0) for name in names)

    part = ComponentSpec("metric", "accuracy", {}, "accuracy")
    monitors = tuple(MonitorSpec(n, (part,), windows=named(w)) for n, w in (("drift", drift), ("performance", loss)))
    plan = Plan(model="m", schema=Schema(), monitors=monitors)
    assert paired_windows(plan, "drift.features_drifted", "performance.accuracy") == windows


def test_windows_that_overlap_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("monitors.yaml").write_text(YAML.replace("{span: 1m, every: 1m}", "4m"))
    serve(np.random.default_rng(3), 60, lambda minute: minute / 30)
    said = json.loads(ask('drift.statistic("x")', "performance.accuracy", "--json").output)
    assert said["windows"] in (15, 16), "of 63 that end every minute"
    wide = ask('drift.statistic("x")', "performance.accuracy", "--level", "0.95").output
    assert "a band of 95% needs 19 windows" in wide


def test_drift_that_is_mostly_none_is_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("monitors.yaml").write_text(YAML)
    serve(np.random.default_rng(4), 30, lambda minute: 2.0 * (minute > 26))
    shown = [
        row["drift"]
        for row in json.loads(ask("drift.features_drifted", "performance.accuracy", "--json").output)["map"]
    ]
    assert shown == [0.0, 1.0]


def test_the_band_holds_where_windows_overlap() -> None:
    """Windows of four quarters, one ending each; all of them, which share three with a neighbour, hold .88."""
    rng, simulations, n, held = np.random.default_rng(5), 200, 40, 0
    for _ in range(simulations):
        x, y = (np.convolve(rng.normal(size=n + 3), np.full(4, 0.25), "valid") for _ in range(2))
        windows = [_window(i, i + 4) for i in range(n)]
        kept = apart([((w, float(a)), (w, float(a + b))) for w, a, b in zip(windows, x, y, strict=True)])
        drift, loss = np.array([(a, b) for (_, a), (_, b) in kept]).T
        new = rng.normal(0.0, 0.5, 2)
        _, low, high = fit_drift_cost(drift, loss, 0.9).at(float(new[0]))
        held += low <= new.sum() <= high
    assert held / simulations >= 0.9


def test_pairs_are_apart_in_both_windows() -> None:
    """Hourly losses beside drift over a day: one pair a day, counted from the latest."""
    pairs = [((_window(i - 23, i + 1), 0.0), (_window(i, i + 1), 0.0)) for i in range(100)]
    assert [loss.end for _, (loss, _) in apart(pairs)] == [4, 28, 52, 76, 100]
    assert apart([]) == []


def _window(start: float, end: float) -> StoredResult:
    return StoredResult(1, "m", "drift", "w", "", start, end, 0, 1, "ok", {})


@pytest.mark.parametrize("option", ["--drift", "--loss"])
@pytest.mark.parametrize("value", ["drift", "drift.p_value < 0.1", "p_value", "", "drift."])
def test_what_is_no_value_is_refused(option: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"x": np.arange(50.0), "label": ["n", "y"] * 25}).to_csv("reference.csv")
    Path("monitors.yaml").write_text(YAML)
    with Session("monitors.yaml", event_time=True):
        pass
    given = {"--drift": "drift.p_value", "--loss": "performance.accuracy", option: value}
    words = [word for pair in given.items() for word in pair]
    done = CliRunner().invoke(make_cli(), ["drift-cost", "monitors.yaml", *words])
    assert str(done.exception).startswith(f"{option}: {value!r} is no value of a monitor")
    assert "write monitor.value" in str(done.exception)


def test_a_monitor_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"x": np.arange(50.0), "label": ["n", "y"] * 25}).to_csv("reference.csv")
    Path("monitors.yaml").write_text(YAML)
    with Session("monitors.yaml", event_time=True):
        pass
    ask = ["drift-cost", "monitors.yaml", "--drift", "drft.p_value", "--loss", "performance.accuracy"]
    done = CliRunner().invoke(make_cli(), ask)
    assert "--drift: there is no monitor 'drft' with windows; did you mean 'drift'?" in str(done.exception)
