"""Corrections in a file of labels count by their time, in whatever order the file has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vedette.config.loading import load_all
from vedette.engine.bundle import build_bundle
from vedette.engine.run.logged import read_rows
from vedette.engine.run.replay import replay
from vedette.plugins import get_registry

YAML = """\
version: 1
model: {name: m}
reference: reference.csv
schema: {label: label, classes: [n, y], features: {x: numeric}}
monitors:
  acc: {metrics: [accuracy], window: {lifetime: true, every: 1h}}
"""
N, START = 400, 1_700_000_000.0


@pytest.mark.parametrize("as_served", [False, True])
def test_of_two_labels_the_later_one_counts_whatever_their_order(tmp_path: Path, as_served: bool) -> None:
    rng = np.random.default_rng(0)
    truth, answers = rng.choice(["n", "y"], N), rng.choice(["n", "y"], N)
    pd.DataFrame({"x": rng.normal(size=300), "label": rng.choice(["n", "y"], 300)}).to_csv(tmp_path / "reference.csv")
    ids, times = [f"r{i}" for i in range(N)], START + np.arange(N)
    rows = pd.DataFrame({"id": ids, "x": rng.normal(size=N), "prediction": answers, "time": times})
    rows.to_csv(tmp_path / "live.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML)
    loaded = load_all([tmp_path / "monitors.yaml"])
    bundle = build_bundle(loaded.plan, get_registry(), loaded.reference)
    wrong = np.where(truth == "y", "n", "y")
    given = [(i, w, t + 3600) for i, w, t in zip(ids, wrong, times, strict=True)]
    given += [(i, w, t + 7200) for i, w, t in zip(ids, truth, times, strict=True)]
    items = [{"id": given[k][0], "label": str(given[k][1]), "time": float(given[k][2])} for k in rng.permutation(2 * N)]
    service = replay(bundle, get_registry(), read_rows(tmp_path / "live.csv", loaded.plan), items, as_served=as_served)
    last = list(service.results("acc"))[-1]
    assert last["n"] == N
    assert last["values"]["accuracy"] == pytest.approx(float((truth == answers).mean()), abs=1e-12)
    service.store.close()
