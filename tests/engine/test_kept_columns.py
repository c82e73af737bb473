"""Inputs that metrics of labels name are at hand when the label comes, and when it is corrected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, mean_absolute_error, ndcg_score, recall_score

from vedette.config import load_text
from vedette.engine.bundle import build_bundle
from vedette.engine.rule_names import UnknownValue
from vedette.engine.run.session import Session
from vedette.engine.work.accumulate import kept_columns
from vedette.engine.work.worker import WorkerSettings
from vedette.plugins import get_registry
from vedette.store import predictions
from vedette_specs import Batch, numeric

FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)
START = 1_699_999_980.0
HEAD = """
version: 1
model: {name: fraud}
store: "sqlite:///vedette.db"
labels: {within: 1h}
windows: {minute: {span: 1m, every: 1m}}
"""
FRAUD = (
    HEAD
    + """
schema:
  {task: binary, classes: [legit, fraud], positive: fraud, features: {amount: numeric, age: numeric, kind: category}}
privacy: {payloads: none}
monitors:
  money:
    metrics:
      - {use: recall, weight: amount, as: money_found}
      - {use: f1, average: by_class}
      - {use: expression, as: lost, formula: 'sum(amount * (prediction == "fraud" and label == "legit")) / count()'}
      - {use: expression, as: in_shops, formula: 'count(kind == "shop" and label == "fraud")'}
      - {use: cost, costs: {fraud: {legit: 100}, legit: {fraud: 5}}}
    window: minute
    alert: {when: 'money_found < 0.01 or f1("fraud") < 0.01 or mean_cost > 1000'}
  live:
    metrics: [{use: expression, as: volume, formula: 'sum(amount)'}]
    window: minute
"""
)

NUMBERS = (
    HEAD
    + """
schema: {task: regression, features: {x: numeric}}
monitors:
  quality:
    metrics: [{use: mae, weight: w}, {use: ndcg, k: 3}, reward]
    window: minute
"""
)


def log_and_label(session: Session, n: int = 300) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows whose labels come in pieces, out of order, a tenth of them wrong at first and corrected afterwards."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {"amount": rng.lognormal(3, 1, n), "age": rng.normal(40, 9, n), "kind": rng.choice(["shop", "web"], n)}
    )
    frame.loc[rng.random(n) < 0.1, "amount"] = np.nan
    answers = rng.choice(["legit", "fraud"], n)
    truth = np.where(rng.random(n) < 0.8, answers, np.where(answers == "fraud", "legit", "fraud"))
    ids = session.log(frame, prediction=answers, ids=[f"t{i}" for i in range(n)], time=START + np.linspace(0, 59, n))
    session.flush()
    wrong = np.arange(n) < n // 10
    first = np.where(wrong, np.where(truth == "fraud", "legit", "fraud"), truth)
    for part in np.array_split(rng.permutation(n), 5):
        session.feedback([ids[i] for i in part], first[part].tolist())
        session.flush()
    session.feedback([ids[i] for i in np.flatnonzero(wrong)], truth[wrong].tolist())
    return frame, answers, truth


def values(session: Session, monitor: str) -> dict[str, Any]:
    """Those of the latest revision of the only minute that has rows."""
    found = [result for result in session.results(monitor) if result["window"] == "minute"]
    assert {result["start"] for result in found} == {START}
    latest = max(found, key=lambda result: result["revision"])
    return dict(latest["values"])


def test_metrics_of_labels_read_the_inputs_that_they_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(FRAUD)
    with Session(tmp_path / "monitors.yaml", event_time=True, settings=FAST) as session:
        frame, answers, truth = log_and_label(session)
        session.finish()
        got, live = values(session, "money"), values(session, "live")
        with session.store.read() as connection:
            ((_, block), *_) = predictions.blocks_between(connection, "fraud", START, START + 60, session.plan.schema)
    amount = frame["amount"].to_numpy()
    heavy = ~np.isnan(amount)
    assert got["money_found"] == pytest.approx(
        recall_score(truth[heavy], answers[heavy], pos_label="fraud", sample_weight=amount[heavy]), rel=1e-12
    )
    for name in ("fraud", "legit"):
        assert got["f1"][name] == pytest.approx(f1_score(truth, answers, pos_label=name), rel=1e-12)
    false_alarms = (answers == "fraud") & (truth == "legit")
    assert got["lost"] == pytest.approx(amount[heavy & false_alarms].sum() / len(truth), rel=1e-12)
    assert got["in_shops"] == ((frame["kind"] == "shop") & (truth == "fraud")).sum()
    missed = (answers == "legit") & (truth == "fraud")
    assert got["total_cost"] == 100 * missed.sum() + 5 * false_alarms.sum()
    assert got["mean_cost"] == pytest.approx(got["total_cost"] / len(truth), rel=1e-12)
    assert live["volume"] == pytest.approx(np.nansum(amount), rel=1e-12)
    assert dict(block.inputs) == {}
    assert set(block.attributes) == {"amount", "kind"}, "what no metric of labels names is not stored"


def test_regression_and_rankings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(NUMBERS)
    rng = np.random.default_rng(0)
    requests, size = 12, 5
    relevance, score = rng.integers(0, 4, (requests, size)).astype(float), rng.normal(size=(requests, size))
    relevance[:, 0] = 1.0
    with Session(tmp_path / "monitors.yaml", event_time=True, settings=FAST) as session:
        for i in range(requests):
            ids = np.full(size, f"q{i}", dtype=object)
            batch = Batch({"x": numeric(rng.normal(size=size))}, session.plan.schema, ids=ids,
                          rows=np.arange(size, dtype=np.int32))  # fmt: skip
            session.log(batch, prediction=score[i], ids=ids.tolist(), time=START + i, attributes={"w": ["2"] * size})
        session.flush()
        items = [{"id": f"q{i}", "row": j, "label": relevance[i, j]} for i in range(requests) for j in range(size)]
        session.service.feedback(items)
        session.finish()
        got = values(session, "quality")
    assert got["mae"] == pytest.approx(mean_absolute_error(relevance.ravel(), score.ravel()), rel=1e-12)
    assert got["ndcg"] == pytest.approx(ndcg_score(relevance, score, k=3), rel=1e-12)
    assert got["mean_reward"] == pytest.approx(relevance.mean(), rel=1e-12)


def test_what_is_kept_is_what_is_named() -> None:
    plan = load_text(FRAUD)
    bundle = build_bundle(plan, get_registry(), None)
    assert kept_columns(bundle) == ("amount", "kind")


def test_a_formula_that_reads_the_model_begins_anew_with_a_new_version() -> None:
    plan = load_text(
        HEAD
        + """
schema: {task: binary, classes: [a, b], features: {amount: numeric}}
monitors:
  of_inputs: {metrics: [{use: expression, formula: 'sum(amount)'}], window: minute}
  of_model: {metrics: [{use: expression, formula: 'count(prediction == "a")'}], window: minute}
"""
    )
    bundle = build_bundle(plan, get_registry(), None)
    for name, same in (("of_inputs", True), ("of_model", False)):
        assert (bundle.fingerprint(name, "1") == bundle.fingerprint(name, "2")) is same


def test_rules_that_name_no_value_of_these_metrics_are_refused() -> None:
    plan = load_text(FRAUD.replace("mean_cost >", "maen_cost >"))
    with pytest.raises(UnknownValue, match="'maen_cost'; did you mean 'mean_cost'"):
        build_bundle(plan, get_registry(), None)


def test_a_formula_at_fault_is_shown_at_its_place() -> None:
    with pytest.raises(ValueError, match=r"formula .*'sun' is no function; did you mean 'sum'"):
        load_text(FRAUD.replace("'sum(amount)'", "'sun(amount)'"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{use: f1, average: by_class}", "mae", "mae: schema.task is 'binary'; allowed: regression"),
        ("costs: {fraud: {legit: 100}", "costs: {fruad: {legit: 100}", "'fruad'; did you mean 'fraud'"),
        ('label == "fraud"', 'label == "fruad"', "'fruad' is none of the classes; did you mean 'fraud'"),
        (
            "task: binary, classes: [legit, fraud], positive: fraud, ",
            "",
            "expression needs labels, but the schema has none",
        ),
    ],
)
def test_what_the_schema_does_not_have_is_a_fault_of_the_file(old: str, new: str, message: str) -> None:
    assert old in FRAUD
    with pytest.raises(ValueError, match=message) as caught:
        load_text(FRAUD.replace(old, new))
    assert re.search(r":\d+:\d+: ", str(caught.value)), "the fault has a line and a column"
