"""A package of strangers, installed for real, is found by its entry point and used by its names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "vedette-plugin-example"


def install(source: Path, target: Path, build: Path) -> None:
    """Install without index and without dependencies, by uv or by pip, building with the hatchling that is here."""
    copy = shutil.copytree(source, build, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    command = [uv, "pip", "install", "--quiet", "--offline", "--python", sys.executable] if uv else [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-index",
    ]  # fmt: skip
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the example plugin installed."""
    folder = tmp_path_factory.mktemp("installed")
    install(EXAMPLE, folder / "site", folder / "source")
    return folder / "site"


def run(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)


def answer(site: Path, code: str) -> Any:
    done = run(site, code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_listed(site: Path) -> None:
    done = run(site, "from vedette.cli import main; main()", "plugins", "--json")
    assert done.returncode == 0, done.stdout
    mine = {e["name"]: e for e in json.loads(done.stdout)["components"] if e["package"] == "vedette-plugin-example"}
    assert {(name, e["kind"], e["version"], e["state"]) for name, e in mine.items()} == {
        ("simpson", "metric", "0.1.0", "ok"),
        ("mean_shift", "drift", "0.1.0", "ok"),
        ("ice", "explainer", "0.1.0", "ok"),
        ("table", "sink", "0.1.0", "ok"),
    }


def test_listing_does_not_import_its_components(site: Path) -> None:
    code = (
        "import json, sys, vedette.plugins\nvedette.plugins.load_registry()\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('vedette_plugin_example')]))"
    )
    assert answer(site, code) == ["vedette_plugin_example"]


def test_its_detector_is_made_by_name(site: Path) -> None:
    code = """
import json, vedette
from vedette.testing import binary_classification
detector = vedette.make("mean_shift", alpha=0.01).fit(binary_classification(2000, seed=1))
same, moved = (detector.test(binary_classification(500, seed=2, shift=s)) for s in (0.0, 1.0))
print(json.dumps([same.drifted, moved.drifted]))
"""
    assert answer(site, code) == [False, True]


def test_its_options_are_validated(site: Path) -> None:
    done = run(site, "import vedette; vedette.make('mean_shift', alfa=0.1)")
    assert "mean_shift: option 'alfa': is not known; did you mean 'alpha'?; allowed: alpha, correction" in done.stderr


def test_its_metric_sink_and_explainer_work(site: Path, tmp_path: Path) -> None:
    code = f"""
import json, sqlite3, vedette
from vedette.testing import MadeUpModel
from vedette_specs import Event
model = MadeUpModel("binary")
index = vedette.make("simpson").compute(model.rows(500)).values["simpson"]["sector"]
sink = vedette.make("table", path={str(tmp_path / "events.db")!r})
for _ in range(2):
    sink.emit(Event("e-1", "alert", "m", "d", "", 1.0, {{"state": "firing"}}))
rows = sqlite3.connect({str(tmp_path / "events.db")!r}).execute("select count(*) from events").fetchone()[0]
print(json.dumps([index, rows, vedette.make("ice").fit(model.rows(300)).is_fitted()]))
"""
    index, rows, fitted = answer(site, code)
    assert 0.5 < index < 0.667
    assert (rows, fitted) == (1, True)


def test_it_hears_of_alerts(site: Path) -> None:
    code = """
import json, logging
heard = []
logging.getLogger("vedette_plugin_example").addHandler(type("H", (logging.Handler,), {
    "emit": lambda self, record: heard.append(record.getMessage())})())
logging.getLogger("vedette_plugin_example").setLevel(logging.INFO)
from vedette.plugins import get_registry
from vedette_specs import Event
get_registry().emit(Event("e", "alert", "income", "drift", "", 1.0, {"state": "firing"}))
print(json.dumps(heard))
"""
    assert answer(site, code) == ["income: alert drift is firing"]


def test_its_own_tests_pass_against_the_installed_package(site: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(
        site, "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))", "-q", "-p", "no:cacheprovider",
        "--import-mode=importlib", "--rootdir", str(tmp_path), str(tests),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


YAML = """
version: 1
model: {name: strange}
reference: reference.csv
schema: {label: label, positive: "yes", features: {x: numeric, kind: category}}
store: sqlite:///store.db
monitors:
  variety: {metrics: [simpson], window: 100 rows}
  moved: {detect: {use: mean_shift, alpha: 0.001}, window: 100 rows, alert: {when: drifted, severity: page}}
explainers:
  curve: {use: ice}
sinks:
  rows: {use: table, path: events.db, events: [alert]}
"""
SESSION = """
import json, sqlite3, numpy as np, pandas as pd, vedette
rng = np.random.default_rng(0)
def rows(n, shift=0.0):
    return pd.DataFrame({"x": rng.normal(shift, 1, n), "kind": rng.choice(["a", "b"], n)})
rows(500).assign(label=rng.choice(["no", "yes"], 500)).to_csv("reference.csv", index=False)
with vedette.Session("monitors.yaml", event_time=True, sinks=True, predict=lambda b: b.matrix(["x"])) as session:
    for second in range(10):
        session.log(rows(50, 2.0 if second >= 6 else 0.0), time=1.7e9 + second)
    explained = session.explain(rows(1), "curve")
    session.finish()
    while session.runtime.workers["default"].dispatcher.step():
        pass
    variety = session.results("variety")[-1]["values"]
    drifted = [r["values"]["drifted"] for r in session.results("moved")]
    plugins = {c.use: session.registry.find(c.use).distribution for m in session.plan.monitors for c in m.components}
kept = sqlite3.connect("events.db").execute("select count(*) from events").fetchone()[0]
print(json.dumps([variety, drifted, plugins, list(explained[0]["data"]), kept]))
"""


def test_yaml_uses_its_metric_detector_explainer_and_sink(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "monitors.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    variety, drifted, plugins, explained, kept = answer(site, SESSION)
    assert 0.45 < variety["simpson"]["kind"] <= 0.5
    assert drifted[0] == 0
    assert drifted[-1] == 1
    assert plugins == {"simpson": "vedette-plugin-example", "mean_shift": "vedette-plugin-example"}
    assert explained
    assert kept >= 1


def test_yaml_that_names_what_is_not_installed_says_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "monitors.yaml").write_text(YAML)
    done = run(tmp_path, "from vedette.cli import main; main()", "check", str(tmp_path / "monitors.yaml"))
    assert done.returncode == 2
    assert "there is no metric 'simpson'" in done.stderr + done.stdout
