"""A drift, from a logged row to the tag on the registered model, by a YAML."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from tests.mlflow.tracking import Tracking, quiet

import vedette

MONITORS = """
monitors:
  drift: {{detect: tabular, window: 200 rows, alert: {{when: drifted, severity: page}}}}
sinks:
  retraining:
    use: mlflow
    tracking_uri: "${{TRACKING}}"
    experiment: {experiment}
    events: [alert, result]
    on_alert: {{model: "models:/tumours@champion", set_tag: by_yaml}}
"""


def test_drift_tags_the_model(tracking: Tracking, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TRACKING", tracking.uri)
    config = tracking.yaml(tmp_path, MONITORS.format(experiment=tracking.experiment))
    rows = tracking.frame().drop(columns="diagnosis")
    rows["mean radius"] += 5
    client = tracking.client
    with quiet(), vedette.Session(config, event_time=True, sinks=True) as session:
        session.log(rows, time=np.arange(len(rows)) / 100)
        session.finish()
        deadline = time.monotonic() + 120
        while "by_yaml" not in client.get_registered_model("tumours").tags:
            assert time.monotonic() < deadline, session.alerts()
            time.sleep(0.2)
            session.flush()
    assert client.get_registered_model("tumours").tags["by_yaml"].startswith("drift")
    client.delete_registered_model_tag("tumours", "by_yaml")
    (run,) = tracking.runs()
    assert run.info.run_name == "vedette tumours"
    assert run.data.metrics["drift/200_rows/drifted"] == 1.0
    assert any(key.startswith("vedette.alert.") and value == "firing" for key, value in run.data.tags.items())
