"""`watch`: what it refuses, what it adds, and the whole of it in one process."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.bentoml.configuration import write_config
from tests.bentoml.models import many
from tests.bentoml.serving import environment, wait_for

import vedette_bentoml
from vedette.config.faults import ConfigError
from vedette_bentoml import graph, watch

HERE = {"base_url": "http://localhost", "client": ("127.0.0.1", 50000)}


def test_an_endpoint_must_be_named_where_there_are_several(config: Path) -> None:
    with pytest.raises(ValueError, match=r"Many has 9 endpoints \(arrays, .*\); say which one predicts: endpoint="):
        watch(many(), config)


def test_an_endpoint_that_does_not_exist_is_refused_with_a_hint(config: Path) -> None:
    with pytest.raises(ValueError, match=r"no endpoint 'array'; it has: arrays, .*; did you mean 'arrays'\?"):
        watch(many(), config, endpoint="array")


def test_no_endpoint_at_all_is_refused(config: Path) -> None:
    with pytest.raises(ValueError, match="an empty list; Many has: arrays"):
        watch(many(), config, endpoint=[])


def test_the_endpoint_can_stand_in_the_yaml(tmp_path: Path) -> None:
    service = many()
    before = service.apis["frame"].func
    assert watch(service, write_config(tmp_path, "capture: {method: frame}\n")) is service
    assert service.apis["frame"].func is not before
    assert service.apis["arrays"].func.__qualname__.endswith("Many.arrays")
    assert not hasattr(service.apis["arrays"].func, "__wrapped__")


def test_a_service_is_watched_once(config: Path) -> None:
    service = watch(many(), config, endpoint="arrays")
    with pytest.raises(ValueError, match="Many is watched already"):
        watch(service, config, endpoint="frame")


@pytest.mark.parametrize("value", [object, "service", None])
def test_only_services_are_watched(value: Any, config: Path) -> None:
    with pytest.raises(TypeError, match=r"a class decorated with @bentoml\.service is needed"):
        watch(value, config)


def test_faults_of_the_yaml_are_told_with_their_places(tmp_path: Path) -> None:
    config = write_config(tmp_path, "windos: {}\n")
    with pytest.raises(ConfigError, match=r"monitors\.yaml:12:1: unknown key 'windos'; did you mean 'windows'\?"):
        watch(many(), config, endpoint="arrays")


def test_monitors_that_cannot_be_fitted_are_told_with_their_places(tmp_path: Path) -> None:
    more = "alerts:\n  gone: {when: 'quality.nothing > 1'}\n"
    with pytest.raises(ConfigError, match=r"monitors\.yaml:13:16: .*nothing"):
        watch(many(), write_config(tmp_path, more), endpoint="arrays")


def test_bentoml_serve_ends_with_the_fault_and_its_place(tmp_path: Path) -> None:
    """BentoML shows where it was importing; the fault comes last."""
    config = write_config(tmp_path, "alerts:\n  gone: {when: 'quality.nothing > 1'}\n")
    site = (
        "import vedette_bentoml\nfrom tests.bentoml import models\n\nsvc = vedette_bentoml.watch(models.Model, {!r})\n"
    )
    (tmp_path / "wrong_site.py").write_text(site.format(config.name))
    command = [sys.executable, "-m", "bentoml", "serve", "wrong_site:svc"]
    env = environment(tmp_path / "home")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    *_, message, line, caret = done.stderr.rstrip().splitlines()
    assert re.search(r"ConfigError: \S*monitors\.yaml:13:16: .*nothing", message), done.stderr[-3000:]
    assert line.strip() == "gone: {when: 'quality.nothing > 1'}"
    assert caret.strip() == "^"


def test_every_pool_is_a_service_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pools = "pools: {default: {replicas: 2, cpus: 0.5}, heavy: {replicas: {min: 0, max: 3}}, explain: {replicas: 1}}\n"
    text = "explainers: {why: {use: kernel_shap}}\n" + pools
    config = write_config(tmp_path, text)
    config.write_text(config.read_text().replace("fdr: 0.1}}", "fdr: 0.1}, pool: heavy}"))
    with caplog.at_level(logging.WARNING, "vedette.bentoml"):
        service = watch(many(), config, endpoint="arrays")
    made = service.all_services()
    assert set(made) == {"Many", "vedette_kit_pool_default", "vedette_kit_pool_heavy", "vedette_kit_explain_explain"}
    assert {name: other.config.get("workers") for name, other in made.items() if name != "Many"} == {
        "vedette_kit_pool_default": 2,
        "vedette_kit_pool_heavy": 1,
        "vedette_kit_explain_explain": 1,
    }
    assert made["vedette_kit_pool_default"].config["resources"] == {"cpu": "0.5"}
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ["pools.heavy.replicas: BentoML's workers are fixed: {min: 0, max: 3} means 1 here"]


def test_a_dead_monitor_leaves_the_model_ready(config: Path) -> None:
    """BentoML's /readyz asks every proxy of the service's object; a neighbour is none."""
    service = watch(many(), config, endpoint="arrays")
    instance = service.inner()
    found = {name: getattr(instance, name) for name in service.dependencies}
    assert found == {"_vedette_pool_default": None}


def test_rows_are_counted_and_the_api_answers_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    service = watch(many(), "monitors.yaml", endpoint="arrays")
    rows = [[0.5, 1.0, -1.0], [-2.0, 0.0, 0.5]]
    with TestClient(service.to_asgi(), **HERE) as client:
        name = client.post("/arrays", json={"rows": rows}).headers["x-request-id"]
        feedback = {"id": name, "labels": ["yes", "no"]}
        assert client.post("/vedette/feedback", json=feedback).json() == {"accepted": 2}

        def labelled() -> bool:
            monitors = {item["name"]: item for item in client.get("/vedette/api/monitors").json()}
            return bool(monitors["quality"]["rows"] == 2 == monitors["performance"]["labelled_rows"])

        wait_for(labelled)
        assert "vedette_rows_total 2.0" in client.get("/vedette/metrics").text
        assert "<html" in client.get("/vedette/").text
        assert client.post("/vedette/explain", json={"instances": rows}).status_code == 404  # no explainer is declared
        assert client.post("/vedette/feedback", content=b"x" * (17 << 20)).status_code in (413, 415)


def test_without_tokens_only_this_machine_is_served(config: Path) -> None:
    service = watch(many(), config, endpoint="arrays")
    with TestClient(service.to_asgi(), base_url="http://localhost", client=("10.0.0.7", 5)) as client:
        answer = client.get("/vedette/healthz")
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "without server.tokens only this machine is served",
        )
    with TestClient(service.to_asgi(), **HERE) as client:
        assert client.get("/vedette/healthz", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 403
        assert client.get("/vedette/healthz", headers={"Host": "evil.example"}).status_code == 400
        assert client.get("/vedette/healthz").status_code == 200


def test_with_tokens_others_are_served_that_have_one(tmp_path: Path) -> None:
    config = write_config(tmp_path, "server: {tokens: {read: s3cret-s3cret-s3cret}}\n")
    service = watch(many(), config, endpoint="arrays")
    with TestClient(service.to_asgi(), base_url="http://models.example", client=("10.0.0.7", 5)) as client:
        assert client.get("/vedette/api/monitors").status_code == 401
        token = {"Authorization": "Bearer s3cret-s3cret-s3cret"}
        assert client.get("/vedette/api/monitors", headers=token).status_code == 200


def test_a_prefix_holds_for_everything(config: Path) -> None:
    import bentoml

    @bentoml.service(path_prefix="/v1", metrics={"enabled": False})
    class Prefixed:
        @bentoml.api
        def predict(self, rows: list[list[float]]) -> list[str]:
            return ["yes" for _ in rows]

    service = watch(Prefixed, config)
    with TestClient(service.to_asgi(), **HERE) as client:
        answer = client.post("/v1/predict", json={"rows": [[1, 2, 3]]})
        assert (answer.status_code, answer.json()) == (200, ["yes"])
        assert answer.headers["x-request-id"]
        assert client.get("/v1/vedette/healthz").status_code == 200


def test_listing_plugins_imports_no_bentoml() -> None:
    code = "import vedette_bentoml, vedette_bentoml.plugin, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"bentoml", "_bentoml_sdk"} & set(json.loads(done.stdout))
    assert set(vedette_bentoml.__all__) == {"VedetteMonitor", "watch"}
    with pytest.raises(AttributeError, match="has no attribute 'wach'"):
        vedette_bentoml.wach  # noqa: B018


class TestTheSeamToBentoML:
    """Private names that graph.py stands on: where one breaks, the message names the version."""

    def test_a_service_without_its_parts_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        service = many()
        monkeypatch.setattr(graph, "version", lambda name: "9.9.9")
        del service.apis["arrays"].ctx_param
        with pytest.raises(graph.UnsupportedBentoML, match=r"bentoml 9\.9\.9 is not supported: .*ctx_param"):
            graph.check_service(service)

    def test_a_service_holds_what_is_changed(self) -> None:
        service = graph.check_service(many())
        found = graph.version("bentoml")
        for name in ("apis", "dependencies", "mount_apps", "middlewares", "inner", "path_prefix", "config", "url"):
            assert hasattr(service, name), f"bentoml {found}: a service has no {name}"
        api = graph.endpoint(service, "batched")
        for name in ("from_http_request",):
            assert hasattr(api.input_spec, name), f"bentoml {found}: an input has no {name}"
        assert hasattr(api.output_spec, "to_http_response"), f"bentoml {found}: an output has no to_http_response"

    def test_the_address_of_a_service_that_is_not_served_is_none(self) -> None:
        assert graph.address(many()) is None

    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("file:///tmp/a%20b/1.sock", ("http://localhost", "/tmp/a b/1.sock")),
            ("tcp://127.0.0.1:1234", ("http://127.0.0.1:1234", None)),
            ("http://localhost:3000", ("http://localhost:3000", None)),
        ],
    )
    def test_addresses_of_served_ones(
        self, url: str, address: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from bentoml._internal.configuration.containers import BentoMLContainer

        BentoMLContainer.remote_runner_mapping.set({"Many": url})
        try:
            assert graph.address(many()) == address
        finally:
            BentoMLContainer.remote_runner_mapping.set({})

    def test_parameters_and_their_schemas(self) -> None:
        service = many()
        arrays = graph.parameters(graph.endpoint(service, "arrays"))
        assert arrays is not None
        assert arrays["rows"]["type"] == "tensor"
        assert graph.parameters(graph.endpoint(service, "model")) is None
        assert set(graph.root_schema(graph.endpoint(service, "model"))["properties"]) == {"a", "b", "c"}
        features = graph.parameters(graph.endpoint(service, "features"))
        assert features is not None
        assert set(features) == {"a", "b", "c"}
