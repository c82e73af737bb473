"""What a survival test needs: an application plain, watched and watched with a spool, and load whose answers are known.

Everything is deployed by configuration, since that is how an application gets a `runtime_env`: the evil plugin is
installed for the monitors' application only by its PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from ray import serve
from tests.rayserve.kill_model import FEATURES
from tests.rayserve.killing import make_labels, make_rows, replicas, stored_times, wait_for

from vedette.config.loading import load_all
from vedette.engine.bundle import Bundle, build_bundle
from vedette.engine.service import Service
from vedette.plugins import Registry, load_registry
from vedette.store import series
from vedette.store.database import Store
from vedette.testing.platforms import moody
from vedette_rayserve.deploy import ServeClient
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import monitors_app, pool_deployment, route
from vedette_rayserve.serve_config import MODEL_BUILDER, MONITORS_BUILDER

MODEL = "survival"
APPLICATION = "tests.rayserve.survival_model:app"
SMALL, LARGE = 50, 4000  # rows of a request
BUFFER_ROWS, BUFFER_BYTES = 5000, 4 << 20
YAML = """
version: 1
model: {{name: {model}}}
reference: reference.parquet
schema: {{label: label, positive: "1"}}
store: "{store}"
monitors:
  quality: {{metrics: [moments], window: {{lifetime: true, every: 1s}}}}
  sleepy: {{metrics: [{{use: moody, mood: {folder}/sleepy}}], window: {{lifetime: true, every: 1s}}}}
  raising: {{metrics: [{{use: moody, mood: {folder}/raising}}], window: {{lifetime: true, every: 1s}}}}
  deadly: {{metrics: [{{use: moody, mood: {folder}/deadly}}], window: {{lifetime: true, every: 1s}}}}
pools: {{default: {{replicas: 2, cpus: 0.1}}}}
"""


@dataclass
class Load:
    """A client of one application. Every answer must be, byte for byte, what the plain application gives."""

    name: str
    url: str
    plain: str
    rows: dict[str, int] = field(default_factory=dict)  # of each request that was sent
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    expected: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=30.0, trust_env=False, limits=httpx.Limits(max_connections=8))
        self.rng = np.random.default_rng(11)
        self.bodies = {size: [self.body(size) for _ in range(8)] for size in (SMALL, LARGE)}

    def body(self, size: int) -> bytes:
        return json.dumps({"instances": make_rows(self.rng, size).round(6).tolist()}).replace("NaN", "0.5").encode()

    def send(self, requests: int, size: int = SMALL, *, every: float = 0.0, threads: int = 4) -> None:
        """every: seconds between two requests of a thread."""
        bodies = self.bodies[size]
        work = [(f"{self.name}-{len(self.rows) + i}", bodies[i % len(bodies)]) for i in range(requests)]
        for body in bodies:
            self.known(body)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda item: self.post(*item, pause=every), work))
        self.rows |= {name: size for name, _ in work}

    def known(self, body: bytes) -> bytes:
        if body not in self.expected:
            self.expected[body] = self.http.post(self.plain, content=body).raise_for_status().content
        return self.expected[body]

    def post(self, name: str, body: bytes, pause: float = 0.0) -> None:
        begun = time.monotonic()
        answer = self.http.post(self.url, content=body, headers={"x-request-id": name})
        self.seconds.append(time.monotonic() - begun)
        if answer.status_code != 200 or answer.content != self.known(body):
            self.failures.append(f"{name}: {answer.status_code} {answer.text[:200]}")
        time.sleep(pause)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def check(self, patience: float) -> None:
        """No failure since the last check, and half of the answers within `patience` seconds."""
        assert self.failures == []
        assert float(np.median(self.seconds)) < patience
        self.seconds.clear()


@dataclass
class Survival:
    """frail: a small buffer.  sturdy: the same with a spool."""

    cluster: LocalRay
    folder: Path
    bundle: Bundle
    registry: Registry
    store: Store
    applications: dict[str, dict[str, Any]]
    frail: Load
    sturdy: Load

    def __post_init__(self) -> None:
        self.service = Service(self.store, self.bundle)
        self.client = ServeClient(self.cluster.dashboard)

    def start_monitors(self) -> None:
        if monitors_app(MODEL) not in self.client.applications():
            self._deploy(monitors=True)

    def stop_monitors(self) -> None:
        if monitors_app(MODEL) in self.client.applications():
            self._deploy(monitors=False)

    def _deploy(self, *, monitors: bool) -> None:
        wanted = {name for name in self.applications if monitors or name != monitors_app(MODEL)}
        deploy(self.client, [self.applications[name] for name in sorted(wanted)], set(self.applications) - wanted)

    def mood(self, monitor: str, mood: str) -> None:
        (self.folder / monitor).write_text(mood)

    def monitor(self, name: str) -> dict[str, Any]:
        """As the HTTP API says."""
        return next(item for item in self.api("api/monitors") if item["name"] == name)

    def api(self, path: str) -> Any:
        return httpx.get(f"{self.cluster.url}{route(MODEL)}/{path}", timeout=20.0, trust_env=False).json()

    def metrics(self) -> dict[str, float]:
        """Counters and gauges without labels, as Prometheus would read them."""
        text = httpx.get(f"{self.cluster.url}{route(MODEL)}/metrics", timeout=20.0, trust_env=False).text
        lines = [line.split() for line in text.splitlines() if line and line[0] != "#" and "{" not in line]
        return {name: float(value) for name, value in lines}

    def counted(self) -> int:
        return int(next(m for m in self.service.monitors() if m["name"] == "quality")["rows"])

    def stored(self, load: Load) -> dict[str, int]:
        """Stored rows of each of the client's requests; a row that is stored twice is an error."""
        found: dict[str, int] = {}
        for name, _ in stored_times(self.store, self.bundle):
            if name.startswith(f"{load.name}-"):
                found[name] = found.get(name, 0) + 1
        return found

    def wait_counted(self, least: int, timeout: float = 60.0) -> int:
        """Until at least so many rows are counted and none is on its way; returns how many."""

        def look() -> int:
            now = self.counted()
            return now if now >= least and self.service.counters()["logged_batches"] == 0 else 0

        return int(wait_for(look, timeout, f"{least} rows counted; {self.counted()} are, {self.service.counters()}"))

    def pool_pids(self) -> set[int]:
        return {int(one["pid"]) for one in replicas(self.cluster, monitors_app(MODEL), pool_deployment("default"))}

    def model_pid(self, load: Load) -> int:
        (one,) = replicas(self.cluster, load.name, "Scorer")
        return int(one["pid"])

    def peak(self, load: Load) -> dict[str, int]:
        """The most that the model's tap has held."""
        found: dict[str, int] = serve.get_app_handle(load.name).held.remote().result(timeout_s=10)
        return found

    def close(self) -> None:
        self.store.close()
        deploy(self.client, [], set(self.applications))
        for one in (self.client, self.frail.http, self.sturdy.http):
            one.close()


def survive(cluster: LocalRay, folder: Path) -> Survival:
    """The applications without their monitors."""
    store = f"sqlite:///{folder / 'vedette.db'}"
    moody.install(folder / "site")
    sys.path.insert(0, str(folder / "site"))
    try:
        registry = load_registry()
    finally:
        sys.path.remove(str(folder / "site"))
    bundle = prepare(folder, store, registry)
    environment = {"env_vars": {"PYTHONPATH": f"{Path(__file__).parents[2]}:{folder / 'site'}"}}
    args = {"bundle": bundle.digest, "store": store, "model_app": "frail"}
    tap: dict[str, Any] = {"buffer_rows": BUFFER_ROWS, "buffer_bytes": BUFFER_BYTES}
    watched = {"app": APPLICATION, "monitors": monitors_app(MODEL)}
    applications = [
        application("plain", APPLICATION),
        application("frail", MODEL_BUILDER, {**watched, "tap": tap}),
        application("sturdy", MODEL_BUILDER, {**watched, "tap": {**tap, "spool": str(folder / "spool")}}),
        application(monitors_app(MODEL), MONITORS_BUILDER, args, route(MODEL)) | {"runtime_env": environment},
    ]
    loads = {name: Load(name, f"{cluster.url}/{name}", f"{cluster.url}/plain") for name in ("frail", "sturdy")}
    by_name = {item["name"]: item for item in applications}
    made = Survival(cluster, folder, bundle, registry, Store(store), by_name, **loads)
    deploy(made.client, applications[:3], set())
    return made


def prepare(folder: Path, store: str, registry: Registry) -> Bundle:
    rng = np.random.default_rng(1)
    rows = np.nan_to_num(make_rows(rng, 2000))
    frame = pd.DataFrame(rows, columns=list(FEATURES)).assign(label=make_labels(rng, rows))
    frame.to_parquet(folder / "reference.parquet")
    (folder / "monitors.yaml").write_text(YAML.format(model=MODEL, store=store, folder=folder))
    loaded = load_all([folder / "monitors.yaml"], registry=registry)
    bundle = build_bundle(loaded.plan, registry, loaded.reference)
    opened = Store(store)
    with opened.write() as connection:
        series.put_bundle(connection, bundle.digest, MODEL, bundle.to_bytes(), opened.now(connection))
    opened.close()
    return bundle


def application(name: str, path: str, args: Any = None, prefix: str | None = None) -> dict[str, Any]:
    made = {"name": name, "route_prefix": prefix or f"/{name}", "import_path": path}
    return made | ({"args": args} if args else {})


def deploy(client: ServeClient, applications: list[dict[str, Any]], gone: set[str], timeout: float = 90.0) -> None:
    """Put these applications, and wait until they run and the others have gone."""
    client.put({"applications": applications})
    wanted = {item["name"] for item in applications}

    def look() -> bool:
        found = client.applications()
        failed = {name: found[name]["message"] for name in wanted & found.keys() if "FAILED" in found[name]["status"]}
        assert not failed, failed
        running = {name for name, item in found.items() if item["status"] == "RUNNING"}
        return wanted <= running and not gone & found.keys()

    wait_for(look, timeout, f"{sorted(wanted)} running, {sorted(gone)} gone")


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
