"""The model's processes learn of their monitors from the process that serves, and load nothing that works for those."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.bentoml.configuration import write_config
from tests.bentoml.models import many
from tests.bentoml.serving import ROOT, Bento, environment

import vedette_bentoml
from vedette_bentoml import brief
from vedette_bentoml.brief import LONGEST, VARIABLE, Brief, inherited, leave
from vedette_bentoml.bundles import prepared
from vedette_bentoml.graph import STARTED

MORE = """
explainers: {why: {use: kernel_shap}}
pools: {default: {replicas: 2, cpus: 0.5}, explain: {replicas: {min: 0, max: 2}}}
tap: {buffer: 500 rows, spool: waiting}
server: {tokens: {read: [not-to-be-seen]}, max_body: 1MB}
capture: {method: predict, attributes: {region: header.x-region}}
"""
LIGHT = """
from typing import Any

import bentoml
import vedette_bentoml


@bentoml.service(workers=1)
class Light:
    @bentoml.api
    def predict(self, instances: list[dict[str, float | None]]) -> dict[str, Any]:
        chances = [0.5 + 0.1 * row["a"] for row in instances]
        return {"predictions": ["yes" if p >= 0.5 else "no" for p in chances]}


svc = vedette_bentoml.watch(Light, "monitors.yaml")
"""
HEAVY = ("sqlalchemy", "sklearn", "scipy", "pandas", "pyarrow")
IMPORTED = f"""
import json, os, sys
from bentoml._internal.container import BentoMLContainer
BentoMLContainer.remote_runner_mapping.set(json.loads(os.environ["BENTOML_RUNNER_MAP"]))  # as BentoML's workers do
import light_service
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


@pytest.fixture(autouse=True)
def own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test leaves in the environment goes with it."""
    monkeypatch.setattr(brief, "_own", {})
    for name in (VARIABLE, STARTED):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def made(config: Path) -> Brief:
    config.write_text(config.read_text() + MORE)
    return Brief.of(prepared(config))


def test_it_says_what_the_plan_says(made: Brief, config: Path) -> None:
    bundle = prepared(config)
    plan = bundle.plan
    assert (made.model, made.version, made.method) == ("kit", "", "predict")
    assert (made.tap, made.guarded, made.max_body) == (plan.tap, True, plan.server.max_body)
    assert [(spec.name, spec.min_replicas, spec.cpus) for spec in made.pools] == [("default", 2, 0.5)]
    assert [(spec.name, spec.max_replicas) for spec in made.explaining] == [("explain", 2)]
    assert (made.wanted.digest, made.wanted.schema, made.wanted.capture) == (bundle.digest, plan.schema, plan.capture)


def test_it_is_the_same_at_the_other_end(made: Brief) -> None:
    assert Brief.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_no_token_stands_in_the_environment(made: Brief, config: Path) -> None:
    leave([config], made, None)
    assert "not-to-be-seen" not in os.environ[VARIABLE]


def test_only_processes_that_one_that_serves_has_started_read_it(
    made: Brief, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave([config], made, None)
    assert inherited([config]) is None
    monkeypatch.setenv(STARTED, "{}")
    assert inherited([config]) == made
    config.write_text(config.read_text() + "# changed while it serves\n")
    assert inherited([config]) is None


def test_each_file_has_its_own(made: Brief, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    other = write_config(tmp_path / "other")
    second = Brief.of(prepared(other))
    leave([config], made, None)
    leave([other], second, None)
    monkeypatch.setenv(STARTED, "{}")
    assert (inherited([config]), inherited([other])) == (made, second)
    assert inherited([tmp_path / "third.yaml"]) is None


def test_what_it_was_made_of_must_be_the_same(made: Brief, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that starts later fits anew where the reference has changed; the model's process must know then."""
    reference = config.parent / "reference.parquet"
    leave([config], made, str(reference))
    monkeypatch.setenv(STARTED, "{}")
    assert inherited([config]) == made
    monkeypatch.setenv("VEDETTE_STORE", "sqlite:///other.db")
    assert inherited([config]) is None, "BentoML gives services variables of their own, which the YAML names"
    monkeypatch.delenv("VEDETTE_STORE")
    assert inherited([config]) == made
    pd.read_parquet(reference).iloc[:900].to_parquet(reference)
    assert inherited([config]) is None


@pytest.mark.parametrize("text", ["x", "[]", "null", '{"%s": {}}', '{"%s": {"state": 1}}', '{"%s": []}'])
def test_a_variable_that_means_nothing_costs_only_time(
    text: str, made: Brief, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STARTED, "{}")
    monkeypatch.setenv(VARIABLE, text % config if "%s" in text else text)
    assert inherited([config]) is None
    leave([config], made, None)
    assert inherited([config]) == made


def test_a_brief_of_another_form_is_none(
    made: Brief, config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    leave([config], made, None)
    monkeypatch.setenv(STARTED, "{}")
    monkeypatch.setenv(VARIABLE, os.environ[VARIABLE].replace('"guarded"', '"guards"'))
    assert inherited([config]) is None
    assert "VEDETTE_BENTOML_BRIEFS is not read" in caplog.text


def test_what_is_too_long_for_a_variable_is_not_left(
    made: Brief, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave([config], made, None)
    monkeypatch.setattr(brief, "LONGEST", 100)
    leave([config], made, None)
    monkeypatch.setenv(STARTED, "{}")
    assert inherited([config]) is None, "nor what was left before"
    assert LONGEST < 128 * 1024, "what Linux takes of one variable"


def test_the_model_may_go_to_another_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pools read the configuration when they start."""
    monkeypatch.chdir(config.parent)
    (config.parent / "elsewhere").mkdir()
    service = vedette_bentoml.watch(many(), "monitors.yaml", endpoint="arrays")
    monkeypatch.chdir(config.parent / "elsewhere")
    pool = service.inner._vedette_pool_default
    assert pool.local().worker.alive()
    pool.local()._vedette_stop()


def run(code: str, folder: Path, **more: str) -> Any:
    path = os.pathsep.join((str(ROOT), str(folder)))
    env = {**environment(folder / "home", **more), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_started_process_imports_nothing_heavy(config: Path) -> None:
    folder = config.parent
    (folder / "light_service.py").write_text(LIGHT)
    first = "import json, os, light_service\nprint(json.dumps(os.environ['VEDETTE_BENTOML_BRIEFS']))"
    left = run(first, folder)
    others = json.dumps({"vedette_kit_pool_default": "tcp://127.0.0.1:9"})
    assert run(IMPORTED, folder, **{VARIABLE: left, STARTED: others}) == []
    assert "sqlalchemy" in run(IMPORTED, folder, **{STARTED: others}), "without, the bundle is read: nothing is lost"
    here = run(IMPORTED, folder, **{VARIABLE: left, STARTED: "{}"})
    assert "sqlalchemy" in here, (
        "where the monitors run in the model's process, they are loaded before the first request"
    )


def test_the_models_process_stays_light_while_it_is_monitored(config: Path) -> None:
    """Seen from outside: the libraries that the kernel has mapped into it."""
    folder = config.parent
    (folder / "light_service.py").write_text(LIGHT)
    with Bento("light_service:svc", folder, environment(folder / "home")) as bento:
        reply = bento.http.post("/predict", json={"instances": [{"a": 1.0, "b": 0.0, "c": 0.0}]})
        assert reply.json() == {"predictions": ["yes"]}
        (model,), pool = bento.pids("Light"), bento.pids("vedette_")
        mapped = Path(f"/proc/{model}/maps").read_text()
        assert [name for name in HEAVY if f"/{name}/" in mapped] == []
        assert "/sqlalchemy/" in Path(f"/proc/{pool[0]}/maps").read_text()
