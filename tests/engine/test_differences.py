"""What a deploy says that it changes."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.engine.traffic import AlertSpec, detector, metric, monitor, sliding, tumbling

from vedette.config.loading import load_all
from vedette.config.plan import ExplainSpec, MonitorSpec
from vedette.engine.bundle import Bundle, build_bundle
from vedette.engine.differences import UNKNOWN, what_changes, why_restarted
from vedette.engine.lifecycle import deploy, diff
from vedette.engine.running import Followed
from vedette.engine.work.worker import Worker, WorkerSettings
from vedette.plugins import get_registry
from vedette.store.database import Store

RULE = AlertSpec("stats", 'mean("x") > 3', "stats")
STATS = monitor("stats", metric("moments"), windows=[tumbling(10)], alert=RULE)
YAML = """\
version: 1
model: {name: m}
reference: reference.csv
schema: {features: {x: numeric}}
monitors:
  stats: {metrics: [missing_rate], window: WINDOW, alert: overall_missing_rate > BOUND}
"""


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (STATS, "unchanged"),
        (replace(STATS, alert=None), "alert removed"),
        (replace(STATS, alert=replace(RULE, when='mean("x") > 4')), "alert rule changed"),
        (replace(STATS, alert=replace(RULE, for_count=3)), "alert rule changed"),
        (replace(STATS, alert=replace(RULE, keep_count=3)), "alert rule changed"),
        (replace(STATS, alert=replace(RULE, change="cusum", run_lengths={"1h": 500.0})), "alert rule changed"),
        (replace(STATS, alert=replace(RULE, severity="page")), "alert severity changed"),
        (
            replace(STATS, windows=(sliding(30, 10),), alert=None),
            "alert removed; window '10s' ends; window '30s' begins, with the rows that are kept",
        ),
        (replace(STATS, windows=(replace(STATS.windows[0], min_rows=5),)), "window '10s' changed"),
        (replace(STATS, explain=ExplainSpec("why")), "explanations changed"),
        (replace(STATS, fdr=0.2), "fdr 0.1 to 0.2, for rows to come"),
    ],
)
def test_what_changes_while_the_state_is_kept(new: MonitorSpec, said: str) -> None:
    old = replace(STATS, windows=(replace(STATS.windows[0], name="10s"),))
    named = replace(new, windows=tuple(replace(w, name=f"{w.span:g}s") for w in new.windows))
    assert what_changes(old, named) == said


def test_what_was_not_there_before() -> None:
    assert what_changes(replace(STATS, alert=None), STATS) == "alert added"
    assert what_changes(None, STATS) == "unchanged"
    assert why_restarted(None, STATS) == UNKNOWN


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (replace(STATS, components=(metric("missing_rate"),)), "its components or their options changed"),
        (replace(STATS, of="labels", by=("region",)), "its input and its segments changed"),
        (replace(STATS, windows=(tumbling(20),)), "the tick of its windows (10s to 20s) changed"),
        (STATS, "the schema, the reference, a component or the model version changed"),
    ],
)
def test_why_a_monitor_restarts(new: MonitorSpec, said: str) -> None:
    assert why_restarted(STATS, new) == said


def bundle(folder: Path, window: str = "1h", bound: str = "0.1") -> Bundle:
    pd.DataFrame({"x": np.arange(300.0)}).to_csv(folder / "reference.csv", index=False)
    (folder / "monitors.yaml").write_text(YAML.replace("WINDOW", window).replace("BOUND", bound))
    loaded = load_all([folder / "monitors.yaml"])
    return build_bundle(loaded.plan, get_registry(), loaded.reference)


def test_a_diff_says_it_from_what_is_deployed(tmp_path: Path) -> None:
    store = Store("sqlite://")
    deploy(store, bundle(tmp_path))

    def said(**changes: str) -> tuple[str, str]:
        (change,) = diff(store, bundle(tmp_path, **changes))
        return change.action, change.reason

    assert said() == ("keep", "unchanged")
    assert said(bound="0.2") == ("keep", "alert rule changed")
    assert said(window="[1h, {span: 2h, every: 15m}]")[1].startswith("window '2h")
    assert said(window="7d") == ("restart", "the tick of its windows (15m to 42h) changed")
    store.close()


def test_a_process_tells_once_that_another_configuration_was_deployed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    old, new = bundle(tmp_path), bundle(tmp_path, bound="0.2")
    followed = Followed(store, old)
    assert not followed.look()  # nothing is deployed
    deploy(store, old)
    assert not followed.look()
    deploy(store, new)
    with caplog.at_level(logging.WARNING, "vedette.deploy"):
        assert [followed.look(), followed.look()] == [True, True]
        assert [new.digest in record.message for record in caplog.records] == [True]
        deploy(store, old)
        assert not followed.look()
        deploy(store, new)
        assert followed.look()
    assert len(caplog.records) == 2
    store.close()


def test_a_worker_looks_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    old = bundle(tmp_path)
    deploy(store, old)
    settings = WorkerSettings(adopt_every=0.02, checkpoint_every=0.02)
    with caplog.at_level(logging.WARNING, "vedette.deploy"):
        worker = Worker(store, old, "default", get_registry(), settings).start()
        deploy(store, bundle(tmp_path, bound="0.2"))
        deadline = time.monotonic() + 10
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        worker.close()
    store.close()
    (record,) = caplog.records
    assert "another configuration of model m was deployed" in record.message


def test_detectors_are_named_as_what_they_are() -> None:
    old = detector("drift", "drift", "ks", tumbling(10))
    assert why_restarted(old, detector("drift", "drift", "tabular", tumbling(10))).startswith("its components")
