"""Pools that may have no replica, on a real cluster: traffic wakes them, nothing else does, and Control minds them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from ray import serve
from sqlalchemy import select
from tests.rayserve.kill_model import FEATURES
from tests.rayserve.killing import Client, all_replicas, prepare, replicas, wait_for

from vedette.engine.bundle import Bundle
from vedette.engine.service import Service
from vedette.store.database import Store
from vedette.store.tables import incarnations, producers
from vedette_rayserve.app import Delays, ModelArgs, MonitorsArgs, build_model, build_monitors
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import CONTROL, explainer_deployment, monitors_app, pool_deployment

pytestmark = pytest.mark.ray
MODEL = "sleepy"
APP = monitors_app(MODEL)
HEAVY, EXPLAIN = pool_deployment("heavy"), explainer_deployment("explain")
DELAYS = Delays(upscale_delay_s=0.0, downscale_delay_s=1.0, look_back_period_s=10.1)
YAML = """
version: 1
model: {{name: {model}}}
reference: reference.parquet
schema: {{label: label, positive: "1"}}
store: "{store}"
monitors:
  quality: {{metrics: [moments], window: {{lifetime: true, every: 2s}}}}
  strange:
    detect: {{use: isolation_forest, fdr: 0.2}}
    pool: heavy
    explain: {{use: why, at_most: 2 per 1h}}
  late: {{metrics: [moments], window: {{lifetime: true, every: 2s, grace: 75s}}, pool: heavy}}
explainers:
  why: {{use: kernel_shap, background: 10, max_rows: 500, deadline: 10s, pool: explain}}
pools:
  default: {{replicas: 1, cpus: 0.1}}
  heavy: {{replicas: {{min: 0, max: 2}}, cpus: 0.1}}
  explain: {{replicas: {{min: 0, max: 1}}, cpus: 0.1}}
"""


@dataclass
class Watched:
    cluster: LocalRay
    bundle: Bundle
    store: Store
    service: Service
    client: Client

    def replicas(self, deployment: str) -> list[dict[str, Any]]:
        """Starting and stopping ones too."""
        return all_replicas(self.cluster, APP)[deployment]

    def asleep(self, deployment: str) -> bool:
        return not self.replicas(deployment)

    def starts(self) -> int:
        """How many incarnations of the heavy pool's workers have ever begun."""
        with self.store.read() as connection:
            where = incarnations.c.pool == f"{MODEL}/heavy"
            return len(connection.scalars(select(incarnations.c.id).where(where)).all())

    def rows(self, monitor: str) -> int:
        rows = next(m for m in self.service.monitors() if m["name"] == monitor)["rows"]
        assert rows <= self.client.rows, f"{monitor} counted rows twice"
        return int(rows)

    def counted(self, monitor: str) -> None:
        wait_for(lambda: self.rows(monitor) == self.client.rows, 60.0, f"{self.client.rows} rows of {monitor}")

    def heartbeat(self, pool: str) -> float:
        """When a producer last told the pool, or Control for it, how far time has come."""
        with self.store.read() as connection:
            where = producers.c.pool == f"{MODEL}/{pool}"
            return max(float(low) for low in connection.scalars(select(producers.c.low).where(where)))

    def holder(self, pool: str) -> int | None:
        """The process that reduces a pool."""
        found = [x for x in self.service.status()["leases"] if x["pool"] == f"{MODEL}/{pool}"]
        return int(str(found[0]["holder"]).split(":")[1]) if found else None

    def strange_row(self) -> str:
        """A request of one row that no scorer has seen the like of; its id."""
        name = f"q-{len(self.client.sent)}"
        rows = np.full((1, len(FEATURES)), 25.0)
        body = {"instances": [dict(zip(FEATURES, rows[0].tolist(), strict=True))]}
        answer = self.client.http.post(self.client.url, json=body, headers={"x-request-id": name})
        assert answer.status_code == 200, answer.text
        self.client.sent.append((name, rows, np.array(["1"])))
        return name


@pytest.fixture(scope="module")
def watched(cluster: LocalRay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp(MODEL)
    url = f"sqlite:///{folder / 'vedette.db'}"
    bundle = prepare(folder, MODEL, url, YAML)
    monitors = MonitorsArgs(bundle=bundle.digest, store=url, model_app=MODEL, autoscaling=DELAYS)
    model = ModelArgs(app="tests.rayserve.kill_model:app", monitors=APP)
    serve.run_many(
        [
            serve.RunTarget(build_monitors(monitors), name=APP, route_prefix=f"/vedette/{MODEL}"),
            serve.RunTarget(build_model(model), name=MODEL, route_prefix=f"/{MODEL}"),
        ]
    )
    store = Store(url)
    made = Watched(cluster, bundle, store, Service(store, bundle), Client(f"{cluster.url}/{MODEL}"))
    yield made
    made.client.http.close()
    serve.delete(MODEL)
    serve.delete(APP)
    store.close()


@pytest.mark.slow
def test_pools_sleep_wake_and_sleep_again(watched: Watched) -> None:
    client, service = watched.client, watched.service
    assert watched.replicas(HEAVY) == [] == watched.replicas(EXPLAIN)
    assert len(watched.replicas(pool_deployment("default"))) == 1

    client.send(20)
    time.sleep(2.0)  # the row is alone in its tick: false discoveries are bounded over all rows of a tick
    strange = watched.strange_row()
    for monitor in ("quality", "strange"):
        watched.counted(monitor)  # nothing of what came while the pool started is lost
    assert client.failures == []
    published(watched, "strange")
    explained(watched, strange)

    for deployment in (HEAVY, EXPLAIN):
        wait_for(partial(watched.asleep, deployment), 45.0, f"{deployment} has no replica")
    starts = watched.starts()
    control = int(replicas(watched.cluster, APP, CONTROL)[0]["pid"])
    wait_for(lambda: watched.holder("heavy") == control, 15.0, "Control reduces the pool")
    assert latest_rows(service, "late") < client.rows, "its grace should be longer than the pool takes to sleep"
    beat = watched.heartbeat("heavy")
    wait_for(lambda: watched.heartbeat("heavy") > beat + 4.0, 10.0, "heartbeats arrive at a pool without a replica")
    wait_for(lambda: latest_rows(service, "late") == client.rows, 90.0, "Control closes ticks")
    assert watched.starts() == starts, "nothing has woken the pools"
    assert [watched.replicas(HEAVY), watched.replicas(EXPLAIN)] == [[], []]

    client.send(5)
    watched.counted("strange")
    assert len(watched.replicas(HEAVY)) >= 1
    assert client.failures == []


def published(watched: Watched, monitor: str) -> None:
    """Results of the pool sum up to what was counted."""

    def look() -> bool:
        return sum(int(r["n"]) for r in watched.service.results(monitor)) == watched.client.rows

    wait_for(look, 30.0, f"results of all {watched.client.rows} rows: {len(watched.service.results(monitor))}")


def latest_rows(service: Service, monitor: str) -> int:
    found = service.results(monitor, limit=1)
    return int(found[0]["n"]) if len(found) else 0


def explained(watched: Watched, request: str) -> None:
    """A job that the heavy pool made was answered by the explainer pool, which it woke, through the model."""

    def look() -> list[dict[str, Any]]:
        return [j for j in watched.service.explanations() if j["status"] in ("done", "failed")]

    found = wait_for(look, 60.0, json.dumps(watched.service.explanations(), default=str))
    assert {job["status"] for job in found} == {"done"}, found
    assert all(job["monitor"] == "strange" for job in found)
    assert request in {job["request"] for job in watched.service.explanations()}
    data = found[0]["result"]["data"]
    assert set(next(iter(data["shap_values"].values()))) == set(FEATURES)
    assert watched.rows("quality") == watched.client.rows, "what explainers ask the model is not counted"
