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
        ("entropy", "metric", "0.1.0", "ok"),
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
entropy = vedette.make("entropy").compute(model.rows(500)).values["entropy"]["sector"]
sink = vedette.make("table", path={str(tmp_path / "events.db")!r})
for _ in range(2):
    sink.emit(Event("e-1", "alert", "m", "d", "", 1.0, {{"state": "firing"}}))
rows = sqlite3.connect({str(tmp_path / "events.db")!r}).execute("select count(*) from events").fetchone()[0]
print(json.dumps([entropy, rows, vedette.make("ice").fit(model.rows(300)).is_fitted()]))
"""
    entropy, rows, fitted = answer(site, code)
    assert 1.0 < entropy < 1.585
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
