"""`bentoml.monitor` sends everything to Vedette by configuration alone."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sqlalchemy import select
from tests.bentoml.configuration import write_config
from tests.bentoml.serving import Bento, environment, wait_for

from vedette.config.plan import TapSpec
from vedette.engine.service import Service
from vedette.http.embedded import Embedded, server_app
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette.store.tables import predictions
from vedette.testing.platforms.model import answer, make_labels, make_rows
from vedette_bentoml.bundles import prepared
from vedette_bentoml.monitor import VedetteMonitor

SERVICE = """
import bentoml

from vedette.testing.platforms.model import answer


@bentoml.service(workers=2)
class Income:
    @bentoml.api
    def predict(self, instances: list[dict[str, float | None]], labels: list[str]) -> dict:
        found = answer(instances)
        with bentoml.monitor("income") as monitor:
            for name in ("a", "b", "c"):
                monitor.log_batch([row[name] for row in instances], name, "feature", "numerical")
            monitor.log_batch(found["predictions"], "prediction", "prediction", "categorical")
            chances = [chance[1] for chance in found["probabilities"]]
            monitor.log_batch(chances, "probability", "prediction", "numerical")
            monitor.log_batch(labels, "label", "target", "categorical")
        return found
"""
LOOP = """
from concurrent.futures import ThreadPoolExecutor

import bentoml

from vedette.testing.platforms.model import answer


def record(row: dict, label: str) -> str:
    found = answer([row])["predictions"][0]
    with bentoml.monitor("income") as monitor:
        for name in ("a", "b", "c"):
            monitor.log(row[name], name, "feature", "numerical")
        monitor.log(found, "prediction", "prediction", "categorical")
        monitor.log(label, "label", "target", "categorical")
    return found


@bentoml.service(threads=4)
class Income:
    @bentoml.api
    def predict(self, instances: list[dict[str, float | None]], labels: list[str]) -> list[str]:
        return [record(row, label) for row, label in zip(instances, labels)]
"""
REQUESTS, ROWS = 40, 25


def test_by_configuration_alone(tmp_path: Path) -> None:
    """A service that knows of bentoml.monitor only; a file of BentoML's configuration does the rest."""
    config = write_config(tmp_path)
    (tmp_path / "income_service.py").write_text(SERVICE)
    kind = "vedette_bentoml.monitor.VedetteMonitor"
    monitoring = {"enabled": True, "type": kind, "options": {"config": str(config)}}
    (tmp_path / "bentoml.yaml").write_text(yaml.safe_dump({"services": {"Income": {"monitoring": monitoring}}}))
    env = environment(tmp_path / "home", BENTOML_CONFIG=str(tmp_path / "bentoml.yaml"))
    right, named = 0, {}
    with Bento("income_service:Income", tmp_path, env, monitored=False) as bento:
        for number in range(REQUESTS):
            rows = make_rows(ROWS, seed=number)
            labels = make_labels(rows, number)
            headers = {"x-request-id": f"m-{number}"} if number % 2 else {}
            reply = bento.http.post("/predict", json={"instances": rows, "labels": labels}, headers=headers)
            assert reply.json() == answer(rows), reply.text
            name = headers.get("x-request-id") or reply.headers["x-bentoml-request-id"]
            named[name] = rows
            right += sum(map(str.__eq__, labels, answer(rows)["predictions"]))
        store = Store(f"sqlite:///{tmp_path / 'vedette.db'}")
        service = Service(store, prepared(config))
        total = REQUESTS * ROWS

        def judged() -> bool:
            latest = {m["name"]: m["latest"] for m in service.monitors()}["performance"]
            return bool(latest and latest["values"]["accuracy"] == pytest.approx(right / total))

        wait_for(lambda: service.counters().get("captured") == total, what=bento.tail)
        wait_for(judged, what=lambda: str(service.monitors()))
        # the last rows are shipped while the service stops
        assert bento.http.post("/predict", json={"instances": rows, "labels": labels}).status_code == 200
    said = bento.tail()
    assert {m["name"]: m["rows"] for m in service.monitors()}["quality"] == total + ROWS, (
        f"{service.counters()}\n{said}"
    )
    for name, rows in named.items():
        stored = service.prediction(name)
        assert [row["prediction"] for row in stored] == answer(rows)["predictions"]
        assert np.allclose([row["probabilities"] for row in stored], answer(rows)["probabilities"])
        assert all(abs(row["time"] - time.time()) < 600 for row in stored)
    store.close()


def test_records_in_a_loop_keep_their_own_labels(tmp_path: Path) -> None:
    """One record a row: they share their request's id, and requests are served at the same time."""
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("accuracy, log_loss", "accuracy"))
    (tmp_path / "loop_service.py").write_text(LOOP)
    kind = "vedette_bentoml.monitor.VedetteMonitor"
    monitoring = {"enabled": True, "type": kind, "options": {"config": str(config)}}
    (tmp_path / "bentoml.yaml").write_text(yaml.safe_dump({"services": {"Income": {"monitoring": monitoring}}}))
    env = environment(tmp_path / "home", BENTOML_CONFIG=str(tmp_path / "bentoml.yaml"))
    asked = {f"m-{number}": make_rows(ROWS, seed=number) for number in range(8)}
    labels = {name: make_labels(rows, number) for number, (name, rows) in enumerate(asked.items())}
    predicted = {name: answer(rows)["predictions"] for name, rows in asked.items()}
    right = sum(p == t for name in asked for p, t in zip(predicted[name], labels[name], strict=True))
    total = len(asked) * ROWS
    with Bento("loop_service:Income", tmp_path, env, monitored=False) as bento:

        def ask(name: str) -> Any:
            body = {"instances": asked[name], "labels": labels[name]}
            return bento.http.post("/predict", json=body, headers={"x-request-id": name}).json()

        with ThreadPoolExecutor(4) as pool:  # the first ones, too: BentoML imports the monitor while it serves them
            assert dict(zip(asked, pool.map(ask, asked), strict=True)) == predicted, bento.tail()
        store = Store(f"sqlite:///{tmp_path / 'vedette.db'}")
        service = Service(store, prepared(config))

        def latest() -> Any:
            return {m["name"]: m for m in service.monitors()}["performance"]

        def judged() -> bool:
            found = latest()
            said = found["latest"]  # none yet where rows are counted and no window is closed
            return bool(said and found["labelled_rows"] == total and said["values"]["accuracy"] == right / total)

        wait_for(judged, timeout=60.0, what=lambda: f"{right}/{total}: {latest()}\n{service.counters()}")
    for name in asked:
        assert [row["prediction"] for row in service.prediction(name)] == predicted[name]
    store.close()


def record(monitor: VedetteMonitor, rows: list[dict[str, float | None]], labels: list[str] | None = None) -> None:
    """As `with bentoml.monitor(...)` does."""
    monitor.start_record()
    for name in ("a", "b", "c"):
        monitor.log_batch([row[name] for row in rows], name, "feature", "numerical")
    monitor.log_batch(answer(rows)["predictions"], "prediction", "prediction", "categorical")
    if labels is not None:
        monitor.log_batch(labels, "label", "target", "categorical")
    monitor.stop_record()


@pytest.fixture
def remote(config: Path) -> Iterator[tuple[str, Service]]:
    """`vedette serve`, in this process."""
    import socket

    import uvicorn

    bundle = prepared(config)
    store = Store(bundle.plan.store)
    embedded = Embedded(store, bundle, get_registry()).start()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(uvicorn.Config(server_app([embedded], [store]), log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}", embedded.service
        server.should_exit = True
        thread.join(30)


def test_rows_and_labels_go_to_monitors_elsewhere(remote: tuple[str, Service]) -> None:
    url, service = remote
    monitor = VedetteMonitor("income", url=url)
    rows = make_rows(30, seed=5)
    record(monitor, rows, make_labels(rows, 5))
    record(monitor, rows)

    def there() -> bool:
        found = {m["name"]: m for m in service.monitors()}
        return bool(found["quality"]["rows"] == 60 and found["performance"]["labelled_rows"] == 30)

    wait_for(there, what=lambda: str(service.counters()))
    monitor.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give exactly one of `config` and `url`"),
        ({"url": "notaurl"}, "monitoring.options: url: 'notaurl' is no address; allowed: http://"),
        ({"config": "a.yaml", "url": "http://x"}, "give exactly one of `config` and `url`"),
        ({"confg": "a.yaml"}, r"unknown \['confg'\]; allowed: config, url, token"),
        ({"url": "ftp://x"}, "is no address"),
        ({"config": {"other": "a.yaml"}}, "no file for 'income'; there are: other"),
    ],
)
def test_wrong_options_are_told_and_the_model_goes_on(
    options: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = VedetteMonitor("income", **options)
    (said,) = [item.getMessage() for item in caplog.records if item.name == "vedette.bentoml"]
    assert said.startswith("bentoml.monitor('income') is not monitored: ")
    assert re.search(message, said), said
    record(monitor, make_rows(3, seed=1))
    monitor.close()


def test_a_yaml_that_is_wrong_costs_the_model_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "monitors.yaml").write_text("version: 1\nmodle: {name: x}\n")
    monitor = VedetteMonitor("income", config=str(tmp_path / "monitors.yaml"))
    record(monitor, make_rows(3, seed=1))
    wait_for(lambda: "unknown key 'modle'" in caplog.text, 20)
    monitor.close(0.2)


def test_the_yamls_tap_and_version_hold(config: Path) -> None:
    text = config.read_text().replace("{name: kit}", "{name: kit, version: v7}")
    config.write_text(text + "tap: {buffer: 500 rows, spool: waiting}\nprivacy: {payloads: all}\n")
    monitor = VedetteMonitor("income", config=str(config))
    assert monitor.tap is not None
    assert monitor.tap.settings == TapSpec(buffer_rows=500, spool=str(config.parent / "waiting"))
    record(monitor, make_rows(5, seed=1))
    bundle = prepared(config)
    store = Store(bundle.plan.store)
    service = Service(store, bundle)
    wait_for(lambda: service.counters().get("captured") == 5, what=lambda: str(service.counters()))
    assert (config.parent / "waiting").is_dir()
    monitor.close()
    with store.read() as connection:
        assert set(connection.execute(select(predictions.c.model_version)).scalars()) == {"v7"}
    store.close()


def test_keys_that_mean_nothing_here_are_named_once(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = "explainers: {why: {use: kernel_shap}}\npools: {default: {replicas: 3}}\n"
    config.write_text(config.read_text().replace("fdr: 0.1}}", "fdr: 0.1}, explain: why}") + more)
    monitor = VedetteMonitor("income", config=str(config))
    record(monitor, make_rows(3, seed=1))
    wait_for(lambda: "pools.default.replicas" in caplog.text, 60)
    monitor.close()
    said = [item.getMessage() for item in caplog.records if item.name == "vedette.bentoml"]
    assert len(said) == 2
    assert said[0].startswith("explainers.why, monitors.outliers.explain: nothing is explained here")
    assert said[1].startswith("pools.default.replicas: monitors of bentoml.monitor run in the model's processes")


def test_lost_labels_stand_in_status_and_metrics(remote: tuple[str, Service]) -> None:
    url, service = remote
    monitor = VedetteMonitor("income", url=url)
    record(monitor, make_rows(2, seed=5), ["no such class", "neither"])
    wait_for(lambda: service.counters().get("dropped_labels") == 2, what=lambda: str(service.counters()))
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        assert "vedette_dropped_labels_total 2.0" in answer.read().decode()
    monitor.close()


def test_labels_that_are_lost_at_the_end_are_told_by_the_tap(remote: tuple[str, Service]) -> None:
    url, service = remote
    monitor = VedetteMonitor("income", url=url)

    def away(items: list[Any]) -> None:
        raise OSError("away")

    monitor.labels.post = away  # type: ignore[union-attr]
    record(monitor, make_rows(2, seed=5), ["yes", "no"])
    monitor.close()
    counted = service.counters()
    assert (counted.get("dropped_labels"), counted.get("captured")) == (2, 2)
