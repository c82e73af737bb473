"""A segment that the reference does not know: every kind of detector says so, none is silent, and no rule fires."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vedette

YAML = """
version: 1
model: {name: m}
reference: reference.csv
store: "sqlite:///vedette.db"
schema: {task: none, features: {a: numeric, b: numeric}}
capture: {attributes: {region: header.x-region}}
monitors:
  shift: {detect: conformal, by: region}
  drift: {detect: ks, by: region, window: 100 rows}
  odd: {detect: mahalanobis, by: region}
"""


@pytest.mark.filterwarnings("ignore")  # the note that the reference has no such rows
def test_every_detector_says_that_a_segment_has_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    known = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600), "region": "north"})
    known.to_csv("reference.csv", index=False)
    Path("monitors.yaml").write_text(YAML)
    rows = pd.DataFrame({"a": rng.normal(3.0, size=400), "b": rng.normal(size=400)})
    with vedette.Session("monitors.yaml", event_time=True) as session:
        session.log(rows, time=1e9 + np.arange(400) / 10, attributes={"region": ["north", "south"] * 200})
        session.finish()
        for name in ("shift", "drift", "odd"):
            found = session.service.results(monitor=name, segment="region=south", limit=10_000)
            assert found, name
            assert {item["status"] for item in found} == {"insufficient"}, name
            reasons = {part["reason"] for item in found for part in item["details"].values()}
            assert reasons == {"no reference"}, name
            known_ones = session.service.results(monitor=name, segment="region=north", limit=10_000)
            assert "ok" in {item["status"] for item in known_ones}, name
        fired = {alert["segment"] for alert in session.service.alerts() if alert["state"] == "firing"}
        assert fired == {"region=north"}
