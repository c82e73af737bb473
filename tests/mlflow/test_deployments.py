"""`mlflow deployments -t vedette-rayserve` against a real registry and a real Ray."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.mlflow.servers import Registry, until
from tests.mlflow.tracking import CHAMPION, mlflow, quiet, tracking_of

from vedette.config import ConfigError

with quiet():
    from mlflow.deployments.cli import commands

    from vedette_mlflow import rayserve_config
    from vedette_mlflow.deployments import HELP, RayServeClient, payload
    from vedette_rayserve.deploy import DeployFailed, ServeClient, merged, without
    from vedette_rayserve.local import LocalRay

NAME, OTHER, WATCH = "income", "bystander", "tumours-vedette"
ROWS = {"mean radius": [14.0, 20.0], "mean texture": [20.0, 18.0], "mean smoothness": [0.1, 0.12],
        "perimeter": [90, 130], "size": ["medium", "large"]}  # fmt: skip


class Target:
    """The command line and the Python client of one cluster."""

    def __init__(self, cluster: LocalRay, registry: Registry, folder: Path) -> None:
        self.uri = f"vedette-rayserve:{cluster.dashboard}"
        self.folder = folder
        self.serve = ServeClient(cluster.dashboard)
        self.rows = folder / "rows.json"
        self.rows.write_text(json.dumps(ROWS))
        self.monitors = registry.yaml(folder)

    @property
    def client(self) -> RayServeClient:
        with quiet():
            return RayServeClient(self.uri)

    def run(self, verb: str, *words: object, code: int = 0) -> str:
        """`mlflow deployments <verb> -t ... `: its standard output, or the error; in this process, which is quicker."""
        with quiet():
            done = CliRunner().invoke(commands, [verb, "-t", self.uri, *map(str, words)])
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout if code == 0 else str(done.exception)

    def names(self) -> set[str]:
        return {app["name"] for app in self.serve.live()["applications"]}


@pytest.fixture(scope="module")
def target(cluster: LocalRay, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """With somebody else's application beside, and our deployment in the end gone, whatever happens."""
    found = Target(cluster, registry, tmp_path_factory.mktemp("deployments"))
    other = {"name": OTHER, "route_prefix": f"/{OTHER}", "import_path": "tests.rayserve.survival_model:first"}
    found.serve.put(merged(found.serve.live(), {"applications": [other]}))
    try:
        yield found
    finally:
        found.serve.put(without(found.serve.live(), [OTHER, NAME, WATCH]))
        found.serve.close()


@pytest.fixture(scope="module")
def deployed(target: Target, registry: Registry) -> Iterator[Target]:
    with tracking_of(registry.folder):
        config = ["-C", f"monitors={target.monitors}", "-C", "cpus=0.1"]
        said = target.run("create", "-m", CHAMPION, "--name", NAME, *config)
        assert f"python_function deployment {NAME} is created" in said
        yield target


def monitors(target: Target, path: str) -> Any:
    url = target.client.get_deployment(NAME)["monitors_url"]
    return httpx.get(f"{url}/{path}", timeout=30, trust_env=False).raise_for_status().json()


@pytest.mark.ray
def test_a_deployment_is_described(deployed: Target) -> None:
    found = deployed.client.get_deployment(NAME)
    assert (found["name"], found["flavor"], found["status"]) == (NAME, "python_function", "RUNNING")
    assert (found["model_uri"], found["version"]) == ("models:/tumours/1", "1"), "what the alias meant then"
    assert found["monitors"] == WATCH
    assert found["monitors_status"] == "RUNNING"
    assert [item["name"] for item in deployed.client.list_deployments()] == [NAME]
    assert f"url: {found['url']}" in deployed.run("get", "--name", NAME)


@pytest.mark.ray
def test_it_predicts_and_the_rows_are_counted(deployed: Target) -> None:
    answer = json.loads(deployed.run("predict", "--name", NAME, "-I", deployed.rows))
    with quiet():
        model = mlflow.sklearn.load_model("models:/tumours/1")
        frame = pd.DataFrame(ROWS)
    assert answer["predictions"] == model.predict(frame).tolist()
    assert answer["probabilities"] == pytest.approx(model.predict_proba(frame))
    counted = until(lambda: _rows(deployed, "quality") >= 2 and _rows(deployed, "quality"))
    assert counted == 2
    with quiet():
        assert deployed.client.predict(NAME, frame).get_predictions()[0].tolist() == answer["predictions"]


def _rows(target: Target, monitor: str) -> int:
    return int(next(m["rows"] for m in monitors(target, "api/monitors") if m["name"] == monitor))


@pytest.mark.ray
def test_labels_join_by_the_request_id(deployed: Target) -> None:
    found = deployed.client.get_deployment(NAME)
    sent = {"dataframe_split": {"columns": list(ROWS), "data": [list(row) for row in zip(*ROWS.values(), strict=True)]}}
    reply = httpx.post(f"{found['url']}/invocations", json=sent, timeout=30, trust_env=False)
    item = {"id": reply.headers["x-request-id"], "labels": ["benign", "malignant"]}
    httpx.post(f"{found['monitors_url']}/feedback", json=item, timeout=30, trust_env=False).raise_for_status()

    def labels() -> list[Any]:
        url = f"{found['monitors_url']}/api/predictions/{item['id']}"
        answer = httpx.get(url, timeout=30, trust_env=False)
        return [row["label"] for row in answer.json()] if answer.is_success else []

    until(lambda: labels() == item["labels"])


@pytest.mark.ray
def test_it_explains(deployed: Target) -> None:
    explanations = json.loads(deployed.run("explain", "--name", NAME, "-I", deployed.rows))
    assert len(explanations) == 2
    assert all(item["meta"]["name"] for item in explanations)
    text = json.dumps(explanations)
    assert "mean radius" in text
    assert "size" in text


@pytest.mark.ray
def test_mlflows_own_answers_are_kept(deployed: Target) -> None:
    url = deployed.client.get_deployment(NAME)["url"]
    with httpx.Client(timeout=30, trust_env=False) as client:
        assert client.get(f"{url}/ping").status_code == 200
        assert client.get(f"{url}/version").text == mlflow.__version__
        wrong = client.post(f"{url}/invocations", json={"rows": 1})
        assert (wrong.status_code, wrong.json()["error_code"]) == (400, "BAD_REQUEST")
        assert client.post(f"{url}/invocations", content="x", headers={"content-type": "a/b"}).status_code == 415
        short = client.post(f"{url}/", json={"dataframe_records": [{"mean radius": 1.0}]})
        assert short.status_code == 400
    with pytest.raises(mlflow.exceptions.MlflowException, match="answered 400"):
        deployed.client.predict(NAME, {"rows": 1})


@pytest.mark.ray
def test_what_is_there_is_not_made_again(deployed: Target) -> None:
    said = deployed.run("create", "-m", CHAMPION, "--name", NAME, "-C", f"monitors={deployed.monitors}", code=1)
    assert f"an application '{NAME}' exists" in said
    with pytest.raises(mlflow.exceptions.MlflowException, match=f"an application '{WATCH}' exists .* model.name"):
        deployed.client.create_deployment("again", CHAMPION, config={"monitors": str(deployed.monitors)})
    with pytest.raises(mlflow.exceptions.MlflowException, match="was not deployed by vedette-rayserve"):
        deployed.client.delete_deployment(OTHER)
    with pytest.raises(mlflow.exceptions.MlflowException, match=f"no deployment 'incom' .*did you mean '{NAME}'"):
        deployed.client.get_deployment("incom")
    assert deployed.names() >= {NAME, WATCH, OTHER}


@pytest.mark.ray
def test_an_update_that_fails_changes_nothing(deployed: Target) -> None:
    """The model cannot be built, its new monitors could: both are as they were, and predictions go on meanwhile."""
    before, config, rows = deployed.client.get_deployment(NAME), _configured(deployed), _settled(deployed)
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not done.wait(0.1):
                statuses.append(client.post(f"{before['url']}/invocations", json={"inputs": ROWS}).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        said = deployed.run(
            "update", "--name", NAME, "-m", "models:/tumours/2", "-C", "tracking_uri=${NOWHERE_AT_ALL}", code=1
        )
    finally:
        done.set()
        asking.join()
    assert "NOWHERE_AT_ALL" in said
    assert f"'{NAME}' runs as it did before" in said
    assert _configured(deployed) == config
    assert deployed.client.get_deployment(NAME) == before
    assert len(statuses) > 5
    assert set(statuses) == {200}
    assert _settled(deployed) == rows + 2 * len(statuses) + 2, "no row is lost or counted twice"
    assert deployed.names() >= {NAME, WATCH, OTHER}


def _settled(target: Target) -> int:
    """Rows that are counted, when all that were predicted until now are, and two more: a tap ships in order."""
    found, identity = target.client.get_deployment(NAME), uuid4().hex
    with httpx.Client(timeout=30, trust_env=False) as client:
        sent = client.post(f"{found['url']}/invocations", json={"inputs": ROWS}, headers={"X-Request-Id": identity})
        assert sent.is_success
        until(lambda: client.get(f"{found['monitors_url']}/api/predictions/{identity}").is_success)
    return _rows(target, "quality")


@pytest.mark.ray
@pytest.mark.parametrize("verb", ["create", "update"])
def test_what_cannot_be_undone_either_is_said(deployed: Target, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's dashboard goes away after it was asked: a friendly error of MLflow's with both reasons."""
    config, client = _configured(deployed), deployed.client
    other = deployed.folder / "other.yaml"
    other.write_text(deployed.monitors.read_text().replace("name: tumours", "name: other"))

    def away(_: Any) -> None:
        raise DeployFailed("the dashboard has gone")

    monkeypatch.setattr(client._serve, "put", away)
    work = client.create_deployment if verb == "create" else client.update_deployment
    name = "again" if verb == "create" else NAME
    pattern = "^the dashboard has gone; and it could not be undone: the dashboard has gone$"
    with pytest.raises(mlflow.exceptions.MlflowException, match=pattern), quiet():
        work(name, CHAMPION, config={"monitors": str(other)})
    assert _configured(deployed) == config


def _configured(target: Target) -> dict[str, Any]:
    return {app["name"]: app for app in target.serve.live()["applications"]}


@pytest.mark.ray
def test_an_update_keeps_what_it_does_not_name(deployed: Target) -> None:
    """Another version of the model: input monitors go on where they were, and nobody else is touched."""
    before, rows = deployed.client.get_deployment(NAME), _settled(deployed)
    with quiet():
        deployed.client.update_deployment(NAME, "models:/tumours/2")
    after = deployed.client.get_deployment(NAME)
    assert (after["model_uri"], after["version"], after["status"]) == ("models:/tumours/2", "2", "RUNNING")
    assert after["bundle"] != before["bundle"], "it is of another version"
    assert _rows(deployed, "quality") == rows
    with quiet():
        model = mlflow.sklearn.load_model("models:/tumours/2")
        answer = deployed.client.predict(NAME, pd.DataFrame(ROWS))
        assert answer["probabilities"] == pytest.approx(model.predict_proba(pd.DataFrame(ROWS)))
    assert deployed.names() >= {NAME, WATCH, OTHER}


@pytest.mark.ray
@pytest.mark.slow
def test_a_model_that_cannot_run_leaves_nothing_behind(deployed: Target, registry: Registry, tmp_path: Path) -> None:
    config = registry.yaml(tmp_path)
    config.write_text(config.read_text().replace("name: tumours", "name: broken"))
    options = {"monitors": str(config), "cpus": "0.1", "tracking_uri": "${NOWHERE_AT_ALL}"}
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"(?s)'broken' does not run.*NOWHERE_AT_ALL"), quiet():
        deployed.client.create_deployment("broken", CHAMPION, config=options)
    until(lambda: not {"broken", "broken-vedette"} & deployed.names())
    assert deployed.names() >= {NAME, WATCH, OTHER}


@pytest.mark.ray
def test_delete_takes_the_two_applications_only_and_twice_is_no_error(deployed: Target) -> None:
    assert f"Deployment {NAME} is deleted" in deployed.run("delete", "--name", NAME)
    assert OTHER in deployed.names()
    assert not {NAME, WATCH} & deployed.names()
    deployed.client.delete_deployment(NAME)
    assert deployed.client.list_deployments() == []


def test_options_are_checked() -> None:
    of = rayserve_config.Wanted.of
    assert of("n", {"replicas": "2", "cpus": "0.5", "probabilities": "False"}).options == {
        "replicas": 2, "cpus": 0.5, "probabilities": False,
    }  # fmt: skip
    for config, message in [
        ({"monitor": "x"}, r"--config monitor: is not known; did you mean 'monitors'\?"),
        ({"replicas": "0"}, "--config replicas=0: is not a whole number from 1"),
        ({"cpus": "many"}, "--config cpus=many: is not a number"),
        ({"probabilities": "maybe"}, "--config probabilities=maybe: allowed: true, false"),
        ({"runtime_env": "[1]"}, "--config runtime_env: is not a JSON object"),
        ({"runtime_env": "{"}, "--config runtime_env: is not JSON"),
    ]:
        with pytest.raises(rayserve_config.BadOption, match=message):
            of("n", config)


def test_monitors_that_cannot_be_fitted_have_their_place(registry: Registry, tmp_path: Path) -> None:
    """Said before the cluster is asked for anything, as an error of MLflow's."""
    yaml = registry.yaml(tmp_path, "alerts: {decay: {when: performance.acuracy < 1}}\n")
    line = len(yaml.read_text().splitlines())
    wanted = rayserve_config.Wanted.of("n", {"monitors": str(yaml)})
    with tracking_of(registry.folder), quiet(), pytest.raises(ConfigError, match=rf"{yaml}:{line}:.*'accuracy'"):
        rayserve_config.configuration(wanted, CHAMPION)


def test_targets_and_arguments_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_DASHBOARD_ADDRESS", raising=False)
    Wrong = mlflow.exceptions.MlflowException
    with quiet():
        client = mlflow.deployments.get_deploy_client("vedette-rayserve:http://127.0.0.1:9?serve=http://h:1/")
        assert (client._serve.address, client._proxy) == ("http://127.0.0.1:9", "http://h:1")
        assert mlflow.deployments.get_deploy_client("vedette-rayserve")._serve.address == "http://127.0.0.1:8265"
        with pytest.raises(Wrong, match="target: 'vedette-rayserve:somewhere' is of no known form"):
            mlflow.deployments.get_deploy_client("vedette-rayserve:somewhere")
        with pytest.raises(Wrong, match=r"Ray's dashboard does not answer at http://127\.0\.0\.1:9"):
            client.list_deployments()
        with pytest.raises(Wrong, match="flavor: 'spark' is not known"):
            client.create_deployment("n", CHAMPION, flavor="spark")
        with pytest.raises(Wrong, match="endpoint: vedette-rayserve has none"):
            client.predict("n", [[1]], endpoint="e")
    assert all(option in HELP for option in rayserve_config.OPTIONS)
    assert payload([[1.0]]) == {"inputs": [[1.0]]}
