"""Coverage, lag and age of labels are shown with every result that stands on them, and what is immature is marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.core import Metric
from rich.console import Console

from vedette.cli import main
from vedette.cli.replay_tables import results_table
from vedette.cli.status import _row
from vedette.config.loading import load_all
from vedette.engine.bundle import build_bundle
from vedette.engine.label_facts import LabelFacts, span
from vedette.engine.run.logged import read_rows
from vedette.engine.run.replay import replay
from vedette.engine.run.session import Session
from vedette.engine.work.worker import WorkerSettings
from vedette.http.metrics import families
from vedette.http.page import render
from vedette.plugins import get_registry

FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)
START = 1_699_999_980.0
YAML = """
version: 1
model: {name: shop}
store: sqlite:///vedette.db
schema: {task: binary, classes: [no, yes], positive: yes, features: {x: numeric}}
labels: {within: 1h, coverage: 0.9}
monitors:
  performance: {metrics: [accuracy], window: {span: 1m, every: 1m}, by: region}
  numbers: {metrics: [moments], window: {span: 1m, every: 1m}}
"""


def result(coverage: float | None, lag: float | None, mature: bool, status: str = "ok") -> dict[str, Any]:
    facts = {"coverage": coverage, "lag": lag, "mature": mature, "labelled": 1, "predictions": 2}
    return {
        "monitor": "performance", "window": "1m", "segment": "", "end": 100.0, "n": 7, "status": status,
        "values": {"accuracy": 0.5}, "details": {"labels": facts},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("coverage", "lag", "text"),
    [
        (0.9, 86_400.0 * 1.3, "90 % labelled, after 1.3 d"),
        (1.0, 0.0, "100 % labelled, after 0 s"),
        (0.99999, 59.0, "99.99 % labelled, after 59 s"),
        (0.00001, 3600.0 * 30, "0.01 % labelled, after 1.2 d"),
        (0.0, None, "0 % labelled"),
        (None, None, "none labelled"),
    ],
)
def test_facts_in_words(coverage: float | None, lag: float | None, text: str) -> None:
    assert str(LabelFacts.of(result(coverage, lag, True))) == text


def test_results_without_labels_have_none() -> None:
    assert LabelFacts.of({"details": {}}) is None
    assert LabelFacts.of({}) is None
    assert LabelFacts.of({"details": {"labels": {"kim": 3}}}) is None, "a component's own details"


def test_spans() -> None:
    assert [span(s) for s in (0.0, 59.4, 60.0, 3600.0, 5400.0, 36_000.0, 86_400.0 * 12)] == [
        "0 s", "59 s", "1 min", "1 h", "1.5 h", "10 h", "12 d",
    ]  # fmt: skip


def test_status_marks_what_is_immature() -> None:
    monitor = {"name": "performance", "status": "active", "rows": 10}
    *_, age, values = _row(monitor | {"latest": result(0.4, 7200.0, False, "immature")}, False, 160.0)
    assert (age, values) == ("1 min", "accuracy 0.5 (immature); 40 % labelled, after 2 h")
    *_, values = _row(monitor | {"latest": result(1.0, 0.0, True)}, False, 160.0)
    assert values == "accuracy 0.5; 100 % labelled, after 0 s"
    empty = result(0.0, None, False, "immature") | {"values": {}}
    *_, values = _row(monitor | {"latest": empty}, False, 160.0)
    assert values == "immature; 0 % labelled"


def test_replay_tables_show_them() -> None:
    console = Console(width=100, record=True, color_system=None, quiet=False)
    with console.capture() as drawn:
        console.print(results_table([result(0.4, 7200.0, False, "immature")], 100))
    for text in ("immature", "40 % labelled", "after 2 h"):
        assert text in drawn.get()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Three minutes: one wholly labelled, one in part, one not at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(YAML)
    with Session(tmp_path / "monitors.yaml", event_time=True, settings=FAST) as session:
        n = 60
        time = START + np.repeat([0.0, 60.0, 120.0], n // 3)
        ids = session.log(
            {"x": np.arange(n, dtype=float)}, prediction=["yes"] * n, ids=[f"i{i}" for i in range(n)], time=time,
            attributes={"region": ["eu"] * n},
        )  # fmt: skip
        session.flush()
        session.feedback(ids[:20], ["yes"] * 20, time=START + 30.0)
        session.feedback(ids[20:25], ["no"] * 5, time=START + 90.0)
        session.finish()
        yield session


def test_the_api_the_page_and_prometheus(served: Session) -> None:
    found = [r for r in served.results("performance") if r["segment"] == "region=eu"]
    facts = [r["details"]["labels"] for r in found]
    assert [(f["coverage"], f["lag"], f["mature"]) for f in facts] == [
        (1.0, 30.0, True), (0.25, 30.0, False), (0.0, None, False),
    ]  # fmt: skip
    assert [r["status"] for r in found] == ["ok", "immature", "immature"]
    (monitor,) = [m for m in served.service.monitors() if m["name"] == "performance"]
    assert monitor["latest"]["details"]["labels"]["coverage"] == 0.0
    page = render(served.service, "/")
    assert "0 % labelled" in page
    assert "immature" in page
    exposed: dict[str, Metric] = {family.name: family for family in families(served.service)}
    (sample,) = exposed["vedette_result_label_coverage"].samples
    assert (sample.labels["monitor"], sample.value) == ("performance", 0.0)
    assert exposed["vedette_result_label_lag_seconds"].samples == []


def test_vedette_status(served: Session, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["status", "--store", "sqlite:///vedette.db"])
    assert done.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "immature" in text
    assert "labelled" in text


def test_a_label_without_a_time_came_when_the_last_row_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(YAML)
    with Session(tmp_path / "monitors.yaml", event_time=True, settings=FAST) as session:
        first = session.log({"x": [1.0]}, prediction=["yes"], time=START)
        session.log({"x": [1.0]}, prediction=["yes"], time=START + 70.0, labels=["yes"])
        session.feedback(first, ["yes"])
        session.finish()
        found = [r["details"]["labels"]["lag"] for r in session.results("performance")]
    assert found == [70.0, 0.0]


def test_a_replay_does_not_know_when_labels_without_a_time_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitors.yaml").write_text(YAML)
    registry = get_registry()
    loaded = load_all([tmp_path / "monitors.yaml"], registry=registry)
    bundle = build_bundle(loaded.plan, registry, loaded.reference)
    (tmp_path / "rows.csv").write_text("x,id,prediction,time\n" + "".join(
        f"1,r{i},yes,{START + 60.0 * i}\n" for i in range(2)
    ))  # fmt: skip
    rows = read_rows(tmp_path / "rows.csv", loaded.plan)
    items = [{"id": "r0", "label": "yes"}, {"id": "r1", "label": "yes", "time": START + 65.0}]
    for as_served in (False, True):
        facts = [
            r["details"]["labels"]
            for r in replay(bundle, registry, rows, items, as_served=as_served).results("performance")
        ]
        assert [(f["labelled"], f["lag"]) for f in facts] == [(1, None), (1, 5.0)]
