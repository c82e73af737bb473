"""Performance without labels as users have it: in YAML, with rules, and in `monitors: auto`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.components.metrics.populations import inputs_shifted, scores, truth

import vedette
from vedette.config import ConfigError, load
from vedette.config.plan import Plan
from vedette.engine.work.worker import WorkerSettings

START = 1_699_999_980.0  # a whole minute
FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)
HEAD = """
version: 1
model: {name: m}
reference: reference.parquet
schema: {label: y, classes: ["no", "yes"], positive: "yes"}
"""
MONITORS = """
monitors:
  estimated: {metrics: [{use: cbpe, estimate: roc_auc}], window: {span: 1m, every: 1m}}
  range: {metrics: [{use: performance_range, estimate: accuracy}], window: {span: 1m, every: 1m}}
alerts:
  decay: {when: "estimated.roc_auc < 0.75", severity: page}
  unsure: {when: "range.accuracy_high - range.accuracy_low > 0.9"}
"""


def frame(n: int, seed: int, spread: float = 1.0) -> pd.DataFrame:
    """spread: of x0, on which the model lives: where it is small, all scores are alike."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * np.array([spread, spread, 1.0])
    p = scores(x)
    answers = {"y": np.where(rng.random(n) < truth(x), "yes", "no"), "p_no": 1.0 - p, "p_yes": p}
    return pd.DataFrame({f"x{i}": x[:, i] for i in range(3)} | answers)


def config(folder: Path, monitors: str, *without: str) -> Path:
    frame(3000, 0).drop(columns=[*without]).to_parquet(folder / "reference.parquet")
    (folder / "m.yaml").write_text(HEAD + monitors)
    return folder / "m.yaml"


def shown(session: vedette.Session, monitor: str) -> list[dict[str, float]]:
    """The values of the windows, oldest first."""
    found = sorted(session.results(monitor), key=lambda item: item["start"])
    return [item["values"] for item in found]


def names(plan: Plan) -> dict[str, list[str]]:
    return {monitor.name: [c.use for c in monitor.components] for monitor in plan.monitors}


def test_rules_read_estimates_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with vedette.Session(config(tmp_path, MONITORS), event_time=True, settings=FAST) as session:
        for minute, spread in enumerate((1.0, 0.3)):
            rows = frame(500, 1 + minute, spread)
            p = rows[["p_no", "p_yes"]].to_numpy()
            times = START + 60.0 * minute + np.linspace(0.0, 59.0, 500)
            session.log(rows[["x0", "x1", "x2"]], probabilities=p, time=times)
        session.finish()
        areas = [values["roc_auc"] for values in shown(session, "estimated")]
        assert areas[0] > 0.76 > 0.7 > areas[1]
        assert [(a["rule"], a["state"]) for a in session.alerts()] == [("decay", "firing")]
        for values in shown(session, "range"):
            assert values["accuracy_low"] <= values["accuracy"] <= values["accuracy_high"]


def test_auto_estimates_where_the_reference_has_labels_and_probabilities(tmp_path: Path) -> None:
    assert names(load(config(tmp_path, "monitors: auto")))["estimated"] == ["cbpe"]
    assert "estimated" not in names(load(config(tmp_path, "monitors: auto", "p_no", "p_yes")))
    path = config(tmp_path, "monitors: auto", "y")
    path.write_text(HEAD.replace("label: y, ", "") + "monitors: auto")
    assert "estimated" not in names(load(path))


@pytest.mark.parametrize("use", ["cbpe", "pape", "label_shift", "performance_range"])
def test_what_the_reference_lacks_is_a_fault_of_the_file(use: str, tmp_path: Path) -> None:
    monitors = f"monitors: {{estimated: {{metrics: [{use}]}}}}"
    with pytest.raises(ConfigError, match=f"{use} learns the probabilities from the reference, which has no columns"):
        load(config(tmp_path, monitors, "p_no", "p_yes"))
    path = config(tmp_path, monitors, "y")
    path.write_text(HEAD.replace("label: y, ", "") + monitors)
    with pytest.raises(ConfigError, match=f"{use} learns the labels from the reference, which has no label column"):
        load(path)
    path.write_text(path.read_text().replace("reference: reference.parquet\n", ""))
    with pytest.raises(ConfigError, match=f"{use} learns from a reference, but there is none: set 'reference:'"):
        load(path)


def test_dle_wants_predictions_in_the_reference(tmp_path: Path) -> None:
    rows = inputs_shifted(np.random.default_rng(0), 400)
    table = pd.DataFrame({"x0": rows.inputs["x0"].values, "y": rows.inputs["x1"].values})
    table.to_parquet(tmp_path / "reference.parquet")
    path = tmp_path / "m.yaml"
    path.write_text(HEAD.replace('classes: ["no", "yes"], positive: "yes"', "task: regression")
                    + "monitors: {e: {metrics: [dle]}}")  # fmt: skip
    with pytest.raises(
        ConfigError, match="dle learns the prediction from the reference, which has no column 'prediction'"
    ):
        load(path)
    table.assign(prediction=0.0).to_parquet(tmp_path / "reference.parquet")
    assert names(load(path)) == {"e": ["dle"]}
