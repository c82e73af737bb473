"""Differences between segments: exact values, intervals that hold what they promise, revisions on either side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.engine.harness import Harness
from tests.engine.traffic import bundle_of, metric, monitor, plan_of, rows, sliding, tumbling

from vedette import Session
from vedette.config.plan import CompareSpec, MonitorSpec
from vedette.engine.reduce.comparing import base_of, compared
from vedette.engine.reduce.evaluate import Evaluator
from vedette.engine.reduce.jackknife import Flat, estimate
from vedette.engine.reduce.windows import Span
from vedette_specs.batch import Batch
from vedette_specs.columns import category

VERSION = CompareSpec("version", "1")


@pytest.mark.parametrize(
    ("segment", "base"),
    [
        ("version=2", "version=1"),
        ("version=1", None),
        ("region=eu,version=2", "region=eu,version=1"),
        ("region=eu,version=1", None),
        ("version=", "version=1"),
        ("other", None),
    ],
)
def test_the_segment_that_one_is_compared_with(segment: str, base: str | None) -> None:
    assert base_of(segment, VERSION) == base


def stats(use: str = "moments") -> MonitorSpec:
    return monitor("stats", metric(use), windows=[tumbling(60.0)], by=("version",), compare=VERSION)


def evaluator(use: str = "moments") -> Evaluator:
    spec = stats(use)
    return Evaluator(bundle_of(plan_of(spec)), spec, "version=1")


def spans(found: Evaluator, batches: list[Batch]) -> list[Span]:
    part = found.component(found.spec.components[0])
    assert part is not None
    return [Span(t, t + 1, len(b), {part_alias(found): part.add(part.create(), b)}) for t, b in enumerate(batches)]


def part_alias(found: Evaluator) -> str:
    return found.spec.components[0].alias


def normal_rows(rng: np.random.Generator, sizes: list[int], shift: float = 0.0) -> list[Batch]:
    return [rows(rng, np.zeros(n), shift=shift) for n in sizes]


def test_the_variance_of_a_mean_is_the_textbook_one() -> None:
    found, rng = evaluator(), np.random.default_rng(0)
    ratios = []
    for _ in range(60):
        one = estimate(spans(found, normal_rows(rng, [20] * 60)), found, 0.95)
        known = one.values["n", "x"]
        ratios.append(one.variances["mean", "x"] / (one.values["sd", "x"] ** 2 / known))
    assert one.blocks == 20
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.12)  # a chi-square of 19 over 19, 60 times: 3 sd are .13


def interval(values: dict[str, Any], name: str, column: str) -> tuple[float, float]:
    return values[f"{name}_difference_low"][column], values[f"{name}_difference_high"][column]


def test_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    found, rng = evaluator(), np.random.default_rng(1)
    held, simulations = {"mean": 0, "sd": 0}, 200
    for _ in range(simulations):
        mine = spans(found, normal_rows(rng, [15] * 40, shift=0.2))
        base = spans(found, normal_rows(rng, [40] * 40))
        values, details = compared(mine, base, found, found, 0.9)
        for name, truth in (("mean", 0.2), ("sd", 0.0)):
            low, high = interval(values, name, "x")
            held[name] += low <= truth <= high
    assert details["blocks"] == [20, 20]
    for name, count in held.items():  # three standard errors of a share of .9
        assert count / simulations == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / simulations)), name


def test_few_ticks_give_a_difference_without_an_interval() -> None:
    found, rng = evaluator(), np.random.default_rng(2)
    mine, base = (spans(found, normal_rows(rng, [30] * n)) for n in (3, 40))
    values, _ = compared(mine, base, found, found, 0.95)
    one, two = estimate(mine, found, 0.95).values, estimate(base, found, 0.95).values
    assert values["mean_difference"]["x"] == one["mean", "x"] - two["mean", "x"]
    assert values["mean_difference_low"]["x"] is None


def test_a_comparison_has_ticks_enough_for_an_interval() -> None:
    assert stats().tick == 3.0
    assert monitor("m", metric("moments"), windows=[sliding(3600.0, 600.0)], compare=VERSION).tick == 150.0
    assert monitor("m", metric("moments"), windows=[sliding(3600.0, 600.0)]).tick == 600.0


def flat(values: dict[str, Any]) -> Flat:
    return {(k, c): x for k, v in values.items() for c, x in (v.items() if isinstance(v, dict) else [(None, v)])}


def test_late_rows_of_the_base_revise_the_others() -> None:
    found, rng = Harness(plan_of(stats())), np.random.default_rng(3)

    def send(version: str, times: list[float]) -> None:
        batch = rows(rng, [found.start + 20.0 + time for time in times])
        found.send_batch(batch.replace(attributes={"version": category([version] * len(batch))}))

    send("1", [float(t) for t in range(0, 60, 2)])
    send("2", [float(t) for t in range(1, 60, 2)])
    found.reduce(found.start + 120.0)
    (before,) = found.results("stats", segment="version=2")
    assert before.body["details"]["compared"]["n"] == 30
    assert before.body["values"]["mean_difference_low"]["x"] < before.body["values"]["mean_difference"]["x"]
    send("1", [30.5] * 50)
    found.reduce(found.start + 120.0)
    (after,), (base,) = (found.results("stats", segment=f"version={v}") for v in "21")
    assert (after.revision, after.n, after.body["details"]["compared"]["n"]) == (1, 30, 80)
    values = flat(dict(after.body["values"])), flat(dict(base.body["values"]))
    difference = values[0]["mean", "x"] - values[1]["mean", "x"]
    assert values[0]["mean_difference", "x"] == pytest.approx(difference, abs=1e-12)
    assert "mean_difference" not in base.body["values"]


YAML = """
version: 1
model: {name: m}
schema: {task: binary, classes: [n, y], positive: "y", features: {x: numeric}}
store: "sqlite://"
labels: {coverage: 0.9}
monitors:
  canary:
    metrics: [accuracy, roc_auc]
    window: 1h
    compare: {by: version, base: "1"}
    alert: {when: accuracy_difference_high < 0, severity: page}
"""


def test_a_worse_version_is_told_when_labels_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(YAML)
    rng, n = np.random.default_rng(5), 4000
    times, truth = 1.7e9 // 3600 * 3600 + np.sort(rng.random(n)) * 3599, rng.choice(["n", "y"], n)
    version = rng.choice(["1", "1", "1", "2"], n)
    right = rng.random(n) < np.where(version == "1", 0.9, 0.8)
    answer = np.where(right, truth, np.where(truth == "y", "n", "y"))
    score = np.where(answer == "y", 0.5, 0.0) + rng.random(n) / 2
    with Session("monitors.yaml", event_time=True) as session:
        ids = session.log(
            pd.DataFrame({"x": rng.normal(size=n)}), prediction=answer, probabilities=np.stack([1 - score, score], 1),
            time=times, attributes={"version": version},
        )  # fmt: skip
        session.finish()
        assert {r["status"] for r in session.results("canary")} == {"immature"}
        assert not any("accuracy_difference" in r["values"] for r in session.results("canary"))
        session.feedback(ids, truth.tolist())
        session.finish()
        results = {r["segment"]: r for r in session.results("canary") if r["end"] == times[0] // 3600 * 3600 + 3600}
        alerts = [(alert["segment"], alert["state"]) for alert in session.alerts()]
    told = results["version=2"]["values"]
    shares = {v: float(np.mean(right[version == v])) for v in "12"}
    assert told["accuracy_difference"] == pytest.approx(shares["2"] - shares["1"], abs=1e-12)
    assert told["accuracy_difference_low"] < -0.1 < told["accuracy_difference_high"] < 0.0
    areas = {v: roc_auc_score(truth[version == v], score[version == v]) for v in "12"}
    assert told["roc_auc_difference"] == pytest.approx(areas["2"] - areas["1"], abs=2e-3)
    assert ("version=2", "firing") in alerts
    assert not any(segment == "version=1" for segment, _ in alerts)
