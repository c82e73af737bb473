"""Aliases, versions, and bundles beside the model."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from tests.mlflow.conftest import MODEL, Here
from tests.mlflow.servers import COMMAND, START, Registry, Server, until

from vedette_mlflow.models import find, resolve

pytestmark = [  # MLflow's own: of its tables, and of its connections
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def python(registry: Registry, code: str) -> str:
    """What a program prints that talks to the registry."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=registry.environment,
        timeout=START, cwd=registry.folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bundle_that_is_logged_is_served_with_its_model(registry: Registry, tmp_path: Path) -> None:
    """Another alias, set to the second version: `log` and `serve` follow it, and `serve` needs no file."""
    alias = "models:/tumours@challenger"
    python(registry, "import mlflow; mlflow.MlflowClient().set_registered_model_alias('tumours', 'challenger', '2')")
    logged = registry.run("mlflow", "log", "-m", alias, "-c", registry.yaml(tmp_path))
    assert logged.returncode == 0, logged.stderr
    assert re.match(r"sha256:[0-9a-f]{64}\n", logged.stdout)
    (tmp_path / "monitors.yaml").unlink()

    server = registry.serve(tmp_path, "-m", alias).wait_ready()
    try:
        assert "models:/tumours/2:" in server.output()
        assert server.predict(4).status == 200
        until(lambda: server.counted() == 4)
        names = [item["name"] for item in server.ask("GET", "/vedette/api/monitors").json()]
        assert names == ["quality", "performance"]
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "models:/nobody@champion"], "nobody"),
        (["-m", "models:/tumours@nobody"], "nobody"),
        (["-m", "models:/tumours@a/b"], "models:/<name>@<alias>"),
        (["-m", MODEL], f"vedette mlflow log -m {MODEL}"),
        (["-m", MODEL, "--token", "x"], "--monitors-url"),
        (
            ["-m", MODEL, "--monitors-url", "notaurl"],
            "--monitors-url: 'notaurl' is no address; allowed: http://host[:port]",
        ),
        (["-m", MODEL, "-c", "absent.yaml"], "absent.yaml"),
        (["-m", MODEL, "--host", "0.0.0.0", "-c", "YAML"], "server.tokens"),
        (["-m", MODEL, "-c", "YAML", "-c", "REFRESH"], "model: 'refresh' is not supported yet"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_runs(
    registry: Registry, here: Here, tmp_path: Path, arguments: list[str], said: str
) -> None:
    yaml = str(registry.yaml(tmp_path))
    refresh = tmp_path / "refresh.yaml"
    refresh.write_text("model: {refresh: 1m}\n")
    files = {"YAML": yaml, "REFRESH": str(refresh)}
    code, text = here("mlflow", "serve", "--port", "0", *(files.get(item, item) for item in arguments))
    assert code in (1, 2), text
    assert said in text


@pytest.mark.parametrize("command", ["log", "serve"])
@pytest.mark.parametrize(
    "uri", ["models:/nope@champion", "models:/nope/1", "models:/tumours/99", "models:/m-0123456789abcdef", "tumours"]
)
def test_a_model_that_is_not_there_is_bad_input(
    registry: Registry, here: Here, tmp_path: Path, command: str, uri: str
) -> None:
    port = ["--port", "0"] if command == "serve" else []
    code, text = here("mlflow", command, "-m", uri, "-c", str(registry.yaml(tmp_path)), *port)
    assert code == 2, text
    assert f"-m: {uri!r}: " in text
    assert "allowed: models:/<name>@<alias>, models:/<name>/<version>" in text


def test_an_alias_that_is_not_there_is_told_with_the_option(registry: Registry, here: Here, tmp_path: Path) -> None:
    code, text = here("mlflow", "log", "-m", "models:/tumours@chmpion", "-c", str(registry.yaml(tmp_path)))
    assert code == 2, text
    assert text.startswith("-m: 'models:/tumours@chmpion': ")
    assert "did you mean 'champion'?" in text


def test_a_registry_that_fails_is_not_bad_input(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise MlflowException("the registry is down")

    monkeypatch.setattr("mlflow.MlflowClient.get_model_version", down)
    with pytest.raises(MlflowException, match="the registry is down"):
        resolve("models:/tumours/1")


@pytest.mark.parametrize(
    ("uri", "version", "found"),
    [
        (MODEL, "1", "models:/tumours/1"),
        ("models:/tumours/2", "2", "models:/tumours/2"),
        ("models:/tumours/latest", "2", "models:/tumours/2"),
    ],
)
def test_uris_become_versions(registry: Registry, here: Here, uri: str, version: str, found: str) -> None:
    resolved = resolve(uri)
    assert (resolved.version, resolved.uri) == (version, found)
    assert str(resolved.model_id).startswith("m-")
    by_id = resolve(f"models:/{resolved.model_id}")
    assert by_id.version == by_id.model_id == resolved.model_id


def test_the_signature_names_features_and_kinds(registry: Registry, here: Here) -> None:
    found = find(MODEL)
    numbers = dict.fromkeys(["mean radius", "mean texture", "mean smoothness", "perimeter"], "numeric")
    assert found.features == {**numbers, "size": "category"}
    assert found.version == "1"


def test_a_model_that_cannot_be_loaded_ends_the_command(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    place = python(registry, f"from mlflow.artifacts import download_artifacts as d; print(d('{MODEL}'))").strip()
    shutil.copytree(place.splitlines()[-1], folder)
    (folder / "model.pkl").write_bytes(b"no pickle")
    done = registry.run("mlflow", "serve", "--port", 0, "-m", folder, "-c", registry.yaml(tmp_path))
    assert done.returncode == 1
    assert "before it served" in done.stderr


def test_the_yaml_names_the_model(registry: Registry, here: Here, tmp_path: Path) -> None:
    """`vedette check` and `vedette serve` find a model of the registry: its signature names the features."""
    yaml = registry.yaml(tmp_path)
    yaml.write_text(yaml.read_text().replace("{name: tumours}", f'{{name: tumours, uri: "{MODEL}"}}'))
    reference = tmp_path / "reference.csv"
    lines = (registry.folder / "reference.csv").read_text().splitlines()
    reference.write_text("\n".join([f"{lines[0]},note", *(f"{line},{i}" for i, line in enumerate(lines[1:]))]))
    yaml.write_text(yaml.read_text().replace(str(registry.folder / "reference.csv"), str(reference)))
    code, text = here("check", str(yaml))
    assert code == 0, text
    assert "5 features (4 numeric, 1 category)" in text, "`note` is no input of the model"

    server = Server(
        [*COMMAND, "serve", str(yaml), "--port", "0"], registry.environment, tmp_path,
        re.compile(r"http://127\.0\.0\.1:(\d+)"),
    )  # fmt: skip
    try:
        server.port = int(
            until(lambda: server.alive() and server.announced and server.announced.search(server.output()))[1]
        )
        until(lambda: _up(server))
        row = {"mean radius": 14.0, "mean texture": 20.0, "mean smoothness": 0.1, "perimeter": 90, "size": "medium"}
        answer = server.post("/predict", {"instances": [row]}).json()
        assert answer["predictions"] == ["benign"]
        assert sum(answer["probabilities"][0]) == pytest.approx(1.0)
        reply = server.post("/v2/models/tumours/infer", {"inputs": []})
        assert reply.status == 400
        assert server.ask("GET", "/v2/models/tumours").json()["versions"] == ["1"]
    finally:
        assert server.stop() == 0


def test_a_yaml_without_reference_takes_the_signatures_features(here: Here, tmp_path: Path) -> None:
    yaml = tmp_path / "monitors.yaml"
    yaml.write_text(
        f'version: 1\nmodel: {{name: tumours, uri: "{MODEL}"}}\nmonitors: {{quality: {{metrics: [missing_rate]}}}}\n'
    )
    code, text = here("check", str(yaml))
    assert code == 0, text
    assert "5 features (4 numeric, 1 category)" in text


def test_a_model_that_is_not_there_is_a_fault_of_the_yaml(here: Here, tmp_path: Path) -> None:
    yaml = tmp_path / "monitors.yaml"
    yaml.write_text('version: 1\nmodel: {name: tumours, uri: "models:/absent@champion"}\nmonitors: {}\n')
    code, text = here("check", str(yaml))
    assert code == 2
    assert "monitors.yaml:2:" in text
    assert "models:/absent@champion" in text


def _up(server: Server) -> bool:
    try:
        return server.ask("GET", "/healthz").status == 200
    except OSError:
        return False
