"""What a kill test needs: a watched model on a cluster, a client that remembers everything, and ways to do harm."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import ray
from sqlalchemy import select
from tests.rayserve.kill_model import FEATURES, probabilities

from vedette.config.loading import load_all
from vedette.engine.bundle import Bundle, build_bundle
from vedette.engine.service import Service
from vedette.plugins import get_registry
from vedette.store import series
from vedette.store.database import Store
from vedette.store.tables import batch_log, predictions
from vedette_rayserve.local import LocalRay
from vedette_specs import Batch, as_batch, category

ROWS = 50  # of a request
YAML = """
version: 1
model: {{name: {model}}}
reference: reference.parquet
schema: {{label: label, positive: "1"}}
store: "{store}"
monitors:
  quality: {{metrics: [moments, missing_rate, quantile], window: {{lifetime: true, every: 2s}}}}
  performance: {{metrics: [accuracy, log_loss], window: {{lifetime: true, every: 2s}}}}
  drift: {{detect: ks, window: {{lifetime: true, every: 2s}}}}
  outliers: {{detect: {{use: mahalanobis, fdr: 0.1}}}}
  shift: {{detect: conformal}}
pools: {{default: {{replicas: 2, cpus: 0.1}}}}
"""


def make_rows(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) features; one in fifty lacks `c`."""
    rows = rng.normal(size=(count, len(FEATURES)))
    rows[rng.random(count) < 0.02, 2] = np.nan
    return rows


def make_labels(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    return (rng.random(len(rows)) < probabilities(rows)).astype(int).astype(str)


def prepare(folder: Path, model: str, store: str, text: str = YAML) -> Bundle:
    """A bundle in the store, as `vedette rayserve instrument` puts it there."""
    rng = np.random.default_rng(1)
    rows = make_rows(rng, 3000)
    frame = pd.DataFrame(rows, columns=list(FEATURES)).assign(label=make_labels(rng, rows))
    frame.to_parquet(folder / "reference.parquet")
    (folder / "monitors.yaml").write_text(text.format(model=model, store=store))
    registry = get_registry()
    loaded = load_all([folder / "monitors.yaml"], registry=registry)
    bundle = build_bundle(loaded.plan, registry, loaded.reference)
    opened = Store(store)
    with opened.write() as connection:
        series.put_bundle(connection, bundle.digest, model, bundle.to_bytes(), opened.now(connection))
    opened.close()
    return bundle


@dataclass
class Client:
    """Sends predictions from several threads and keeps what it sent; every request is answered before it goes on."""

    url: str
    seed: int = 7
    sent: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.http = httpx.Client(timeout=30.0, trust_env=False, limits=httpx.Limits(max_connections=8))

    def send(self, requests: int, threads: int = 4) -> None:
        work = []
        for _ in range(requests):
            rows = make_rows(self.rng, ROWS)
            labels = make_labels(self.rng, rows)
            work.append((f"q-{len(self.sent) + len(work)}", rows, labels))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._post, work))
        self.sent += work

    def _post(self, item: tuple[str, np.ndarray, np.ndarray]) -> None:
        name, rows, _ = item
        instances = [dict(zip(FEATURES, map(_plain, row), strict=True)) for row in rows.tolist()]
        response = self.http.post(self.url, json={"instances": instances}, headers={"x-request-id": name})
        if response.status_code != 200 or len(response.json()["predictions"]) != len(rows):
            self.failures.append(f"{name}: {response.status_code} {response.text[:200]}")

    @property
    def rows(self) -> int:
        return sum(len(rows) for _, rows, _ in self.sent)

    def labels(self, url: str, start: int = 0, stop: int | None = None) -> None:
        """Send the labels of some requests as feedback."""
        items = [{"id": name, "labels": labels.tolist()} for name, _, labels in self.sent[start:stop]]
        for first in range(0, len(items), 100):
            response = self.http.post(url, json=items[first : first + 100])
            assert response.status_code == 202, response.text

    def batch(self, bundle: Bundle, times: dict[tuple[str, int], float]) -> Batch:
        """Everything that was sent, as one process would have seen it."""
        rows = np.vstack([rows for _, rows, _ in self.sent])
        names = [name for name, part, _ in self.sent for _ in range(len(part))]
        numbers = [i for _, part, _ in self.sent for i in range(len(part))]
        chance = probabilities(rows)
        batch = as_batch(dict(zip(FEATURES, rows.T, strict=True)), bundle.plan.schema)
        ids = np.empty(len(names), dtype=object)
        ids[:] = names
        whole = batch.replace(
            ids=ids,
            rows=np.array(numbers, dtype=np.int32),
            times=np.array([times[key] for key in zip(names, numbers, strict=True)]),
            prediction=category([str(int(p >= 0.5)) for p in chance], bundle.plan.schema.classes),
            probabilities=np.column_stack([1 - chance, chance]),
            labels=category([x for _, _, labels in self.sent for x in labels], bundle.plan.schema.classes),
        )
        assert whole.times is not None
        return whole.take(np.argsort(whole.times, kind="stable"))


def _plain(value: float) -> float | None:
    return None if value != value else value


def replicas(cluster: LocalRay, application: str, deployment: str) -> list[dict[str, Any]]:
    """pid, actor name and state of a deployment's replicas that run."""
    found = all_replicas(cluster, application)[deployment]
    return [item for item in found if item["state"] == "RUNNING" and alive(int(item["pid"]))]


def all_replicas(cluster: LocalRay, application: str) -> dict[str, list[dict[str, Any]]]:
    """The replicas of an application's deployments, those that start or stop too."""
    found = httpx.get(f"{cluster.dashboard}/api/serve/applications/", timeout=10.0, trust_env=False).json()
    return {name: details["replicas"] for name, details in found["applications"][application]["deployments"].items()}


def alive(pid: int) -> bool:
    """Whether the process runs: Serve takes some seconds to see that one does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(look: Callable[[], Any], timeout: float = 60.0, what: str = "") -> Any:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.25)
    raise AssertionError(f"nothing within {timeout:g} s: {what}")


def kill(pid: int, how: int = signal.SIGKILL) -> None:
    os.kill(pid, how)


def kill_actor(name: str) -> None:
    ray.kill(ray.get_actor(name, namespace="serve"), no_restart=True)


def holder_pid(service: Service) -> int:
    """The process that reduces the default pool."""
    (lease,) = [x for x in service.status()["leases"] if str(x["pool"]).endswith("/default")]
    return int(str(lease["holder"]).split(":")[1])


def stored_times(store: Store, bundle: Bundle) -> dict[tuple[str, int], float]:
    """Event times as the tap stamped them, of every stored row; a row that is stored twice is an error."""
    times: dict[tuple[str, int], float] = {}
    with store.read() as connection:
        for (blob,) in connection.execute(select(predictions.c.blob)):
            batch = Batch.from_bytes(blob, bundle.plan.schema)
            for key in _keys(batch):
                assert key[0] not in times, f"row {key[0]} is stored twice"
                times[key[0]] = key[1]
    return times


def _keys(batch: Batch) -> Iterator[tuple[tuple[str, int], float]]:
    assert batch.ids is not None
    assert batch.rows is not None
    assert batch.times is not None
    for name, row, at in zip(batch.ids, batch.rows, batch.times, strict=True):
        yield (str(name), int(row)), float(at)


def logged_rows(store: Store) -> int:
    """Rows that are committed and not yet in a pane."""
    with store.read() as connection:
        return sum(connection.scalars(select(batch_log.c.rows)))


def dump(value: Any) -> str:
    return json.dumps(value, indent=1, default=str)
