"""What status, replay and the page say where a result is not known, and how old it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vedette.cli.status import ago
from vedette.engine.reasons import reasons_of

YAML = """\
version: 1
model: {name: regions}
reference: reference.csv
schema: {features: {x: numeric}}
store: sqlite:///store.db
capture: {attributes: {region: header.region}}
monitors:
  drift: {detect: ks, window: 50 rows, by: region}
"""


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A region with a reference, and one without."""
    rng = np.random.default_rng(0)
    regions = np.where(np.arange(400) % 20, "eu", "us")
    pd.DataFrame({"x": rng.normal(size=400), "region": regions}).to_csv(tmp_path / "reference.csv", index=False)
    live = pd.DataFrame({"x": rng.normal(size=200), "time": 1_700_000_000 + np.arange(200), "region": "us"})
    live.loc[:99, "region"] = "eu"
    live.to_csv(tmp_path / "live.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML)
    return tmp_path


def test_a_segment_without_a_reference_says_so(vedette: Callable[..., object], logged: Path) -> None:
    done = vedette("replay", "monitors.yaml", "live.csv", "--store", "sqlite:///store.db", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    (row,) = (row for row in done.stdout.split("├") if "region=us" in row)
    assert "no reference" in row
    assert done.stdout.count("no reference") == 1
    status = vedette("status", "--store", "sqlite:///store.db")
    assert "insufficient: no reference" in status.stdout
    years = (pd.Timestamp.now().timestamp() - 1_700_000_200) / (365 * 86_400)
    assert f" {years:.0f} y " in status.stdout


def test_the_page_says_so_too() -> None:
    from vedette.http.page_parts import monitor_card

    monitor = {"name": "drift", "use": ["ks"], "of": "inputs", "rows": 50, "labelled_rows": 0, "status": "active",
               "reason": None}  # fmt: skip
    found = {"window": "50 rows", "segment": "region=us", "n": 50, "end": 0.0, "status": "insufficient", "values": {},
             "details": {"ks": {"reason": "no <reference>"}}}  # fmt: skip
    assert "no &lt;reference&gt;" in monitor_card(monitor, [found], [], False, 60.0)
    sound = {**found, "status": "ok", "details": {}}
    assert "no &lt;reference&gt;" in monitor_card(monitor, [sound, found], [], False, 60.0)
    assert "reference" not in monitor_card(monitor, [sound], [], False, 60.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (42, "42 s"), (300, "5 min"), (3 * 3600, "3 h"), (2 * 86_400, "2 d"), (95_864_938, "3 y")],
)
def test_ages(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_reasons_are_named_once() -> None:
    details = {"ks": {"reason": "no reference"}, "chi2": {"reason": "no reference"}, "labels": {"coverage": 1}, "n": 3}
    assert reasons_of(details) == ["no reference"]
