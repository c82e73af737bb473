"""What being watched costs a model on Ray Serve: the same application plain and instrumented, on one real cluster.

python benchmarks/bench_rayserve.py [--seconds 3] [--blocks 3] [--connections 4] [--rows 1] [--rate 300]

Rounds alternate plain, watched, watched, plain, so that noise and drift of the machine hit both alike; a client in a
process of its own sends one request after the other on a few connections. The monitors are `monitors: auto` (quality,
drift, shift, outliers, performance), deployed, and count every row during the watched rounds. The model is a logistic
regression that costs almost nothing, so that the tap's share of a request is as large as it can be.

Throughput is what a user sees, with a caveat on a small machine: client, Serve's proxy, model and monitors share its
cores, and a closed loop is slowed by whatever else runs, so the ratio charges the model with the monitors' own work
(which elsewhere happens on other cores, or other nodes). The CPU time per request of the model's replica process
alone, from /proc/<pid>/stat, says what the tap itself costs: wrapping, decoding, encoding, sending. The last column
is what the monitors' processes used meanwhile. Goal: throughput >= 97 % of plain.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from paired import Round, compare, options_of, report

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what is deprecated
    import ray
    from ray import serve
from starlette.requests import Request

FEATURES = [f"x{i}" for i in range(20)]
WEIGHTS = np.linspace(-1.0, 1.0, len(FEATURES))
MODEL = "bench"
YAML = """
version: 1
model: {{name: {model}}}
reference: reference.parquet
schema: {{label: label, positive: "1"}}
store: "sqlite:///{folder}/vedette.db"
monitors: auto
"""


def predict(rows: Any) -> np.ndarray:
    """(n,) chance of class 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-(rows @ WEIGHTS))))


@serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=32)
class Model:
    async def __call__(self, request: Request) -> dict[str, Any]:
        chance = predict(np.array((await request.json())["instances"]))
        return {"predictions": ["1" if p >= 0.5 else "0" for p in chance], "probabilities": chance.tolist()}

    def pid(self) -> int:
        return os.getpid()


app = Model.bind()


def deploy(folder: Path) -> None:
    """The plain application at /plain, the watched one at /watched, and its monitors."""
    import pandas as pd

    from vedette.config.loading import load_all
    from vedette.engine.bundle import build_bundle
    from vedette.plugins import get_registry
    from vedette.store import series
    from vedette.store.database import Store
    from vedette_rayserve.app import ModelArgs, MonitorsArgs, build_model, build_monitors, imported
    from vedette_rayserve.names import monitors_app, route

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3000, len(FEATURES)))
    labels = (rng.random(len(rows)) < predict(rows)).astype(int).astype(str)
    pd.DataFrame(rows, columns=FEATURES).assign(label=labels).to_parquet(folder / "reference.parquet")
    (folder / "monitors.yaml").write_text(YAML.format(model=MODEL, folder=folder))
    loaded = load_all([folder / "monitors.yaml"])
    bundle = build_bundle(loaded.plan, get_registry(), loaded.reference)
    store = Store(bundle.plan.store)
    with store.write() as connection:
        series.put_bundle(connection, bundle.digest, MODEL, bundle.to_bytes(), store.now(connection))
    store.close()
    monitors = build_monitors(MonitorsArgs(bundle=bundle.digest, store=bundle.plan.store, model_app="watched"))
    watched = build_model(ModelArgs(app="bench_rayserve:app", monitors=monitors_app(MODEL)))
    serve.run(monitors, name=monitors_app(MODEL), route_prefix=route(MODEL))
    serve.run(imported("bench_rayserve:app"), name="plain", route_prefix="/plain")
    serve.run(watched, name="watched", route_prefix="/watched")


def monitor_pids(dashboard: str) -> list[int]:
    from vedette_rayserve.deploy import ServeClient
    from vedette_rayserve.names import monitors_app

    found = ServeClient(dashboard).applications()[monitors_app(MODEL)]["deployments"].values()
    return [int(replica["pid"]) for deployment in found for replica in deployment["replicas"]]


def rounds_of(url: str, dashboard: str, options: argparse.Namespace) -> dict[str, list[Round]]:
    names = ("plain", "watched")
    pids = {name: [serve.get_app_handle(name).pid.remote().result(timeout_s=20)] for name in names}
    urls = {name: f"{url}/{name}" for name in names}
    return compare(urls, pids, monitor_pids(dashboard), options, len(FEATURES))


def main() -> None:
    options = options_of(__doc__).parse_args()
    from vedette_rayserve.local import LocalRay

    here = str(Path(__file__).parent)
    warnings.simplefilter("ignore")  # Ray's own
    with tempfile.TemporaryDirectory() as folder, LocalRay(environment={"PYTHONPATH": here}) as local:
        ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
        serve.start(http_options={"host": "127.0.0.1", "port": local.http_port}, logging_config={"log_level": "ERROR"})
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        deploy(Path(folder))
        report(rounds_of(local.url, local.dashboard, options))
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
