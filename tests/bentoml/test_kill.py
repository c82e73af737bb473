"""Real `bentoml serve`, two workers of the model and two of the monitors, and one of these killed under load."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select
from tests.bentoml.configuration import EXPLAINED, write_config
from tests.bentoml.serving import Bento, environment, wait_for

from vedette.engine.service import Service
from vedette.store.database import Store
from vedette.store.tables import payloads, predictions
from vedette.testing.platforms.model import answer, make_labels, make_rows
from vedette_bentoml.bundles import prepared
from vedette_specs import Batch

REQUESTS, ROWS = 400, 50
SITE = """
import vedette_bentoml
from tests.bentoml import models

svc = vedette_bentoml.watch(models.Model, "monitors.yaml")
"""
Rows = list[dict[str, float | None]]


def load(url: str, requests: dict[str, Rows], half: threading.Event) -> None:
    """Send all requests from four threads; every one must be answered as the model answers."""
    done = 0
    lock = threading.Lock()
    with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as client:

        def post(item: tuple[str, Rows]) -> None:
            nonlocal done
            name, rows = item
            reply = client.post("/predict", json={"instances": rows}, headers={"x-request-id": name})
            assert reply.status_code == 200, reply.text
            assert reply.json() == answer(rows)
            assert reply.headers["x-request-id"] == name
            with lock:
                done += 1
                if done == len(requests) // 2:
                    half.set()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(post, requests.items()))


def retries(bento: Bento) -> int:
    return int(bento.get("/vedette/api/status")["counters"].get("retries", 0))


@pytest.mark.parametrize(
    "store", ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.slow)], ids=["sqlite", "postgresql"]
)
def test_counts_are_exact_after_a_monitor_was_killed(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = write_config(tmp_path, EXPLAINED, "pools: {default: {replicas: 2}}\nprivacy: {payloads: all}\n")
    (tmp_path / "watched_site.py").write_text(SITE)
    env = environment(tmp_path / "home", VEDETTE_STORE=request.getfixturevalue(store))
    sent = {f"q-{number}": make_rows(ROWS, seed=1000 + number) for number in range(REQUESTS)}
    with Bento("watched_site:svc", tmp_path, env) as bento:
        assert len(bento.pids("Model")) == 2
        wait_for(lambda: len(bento.get("/vedette/api/status")["replicas"]) == 2, what=bento.tail)
        workers = bento.pids("vedette_kit_pool_default")
        assert len(workers) == 2
        half = threading.Event()
        loading = ThreadPoolExecutor(1)
        loaded = loading.submit(load, bento.url, sent, half)
        assert half.wait(120)
        os.kill(workers[0], signal.SIGKILL)
        loaded.result(120)
        loading.shutdown()

        def settled() -> bool:
            found = bento.metrics()
            return found["vedette_rows_total"] == REQUESTS * ROWS and found["vedette_logged_batches"] == 0

        wait_for(settled, what=lambda: f"{bento.metrics()}\n{bento.tail()}")
        wait_for(lambda: len(bento.pids("vedette_kit_pool_default")) == 2)
        monitors = {item["name"]: item for item in bento.get("/vedette/api/monitors")}
        assert {name: item["rows"] for name, item in monitors.items()} == dict.fromkeys(monitors, REQUESTS * ROWS)
        found = bento.metrics()
        assert found["vedette_dropped_rows_total"] == found["vedette_dropped_calls_total"] == 0
        assert found["vedette_undecodable_calls_total"] == found["vedette_failed_calls_total"] == 0
        # only what a tap has sent again can have come twice; it is told, and was counted once
        wait_for(lambda: bento.metrics()["vedette_duplicates_total"] <= retries(bento), 30, bento.tail)

        labels = {name: make_labels(rows, 3) for name, rows in sent.items()}
        items = [{"id": name, "labels": values} for name, values in labels.items()]
        assert bento.http.post("/vedette/feedback", json=items).status_code == 202
        right = sum(
            label == given
            for name, rows in sent.items()
            for label, given in zip(labels[name], answer(rows)["predictions"], strict=True)
        )

        def judged() -> bool:
            results = bento.get("/vedette/api/results", monitor="performance")
            return bool(results and results[-1]["values"]["accuracy"] == pytest.approx(right / (REQUESTS * ROWS)))

        wait_for(judged, what=lambda: str(bento.get("/vedette/api/results", monitor="performance")[-1:]))
        explained = bento.http.post("/vedette/explain", json={"id": "q-7", "row": 3})
        assert explained.status_code == 200, explained.text
        assert set(explained.json()["explanations"][0]) == {"data", "meta"}
        # what was shipped a moment before the end is in the store too
        for number in range(20):
            name = f"last-{number}"
            sent[name] = make_rows(ROWS, seed=number)
            body = {"instances": sent[name]}
            assert bento.http.post("/predict", json=body, headers={"x-request-id": name}).status_code == 200
    _stored_once(Store(env["VEDETTE_STORE"]), config, sent)


def _stored_once(store: Store, config: Path, sent: dict[str, Rows]) -> None:
    """Each row that was sent is in the store once, with the inputs that were sent."""
    bundle = prepared(config)
    seen: dict[tuple[str, int], list[float]] = {}
    with store.read() as connection:
        for blob in connection.execute(select(payloads.c.blob)).scalars():
            batch = Batch.from_bytes(blob, bundle.plan.schema)
            assert batch.ids is not None
            assert batch.rows is not None
            for name, row, inputs in zip(batch.ids, batch.rows, batch.matrix().tolist(), strict=True):
                assert (name, row) not in seen, f"row {row} of {name} is stored twice"
                seen[name, int(row)] = inputs
        assert connection.scalar(select(func.sum(predictions.c.rows))) == len(seen)
    wanted = {(name, row): list(values.values()) for name, rows in sent.items() for row, values in enumerate(rows)}
    assert seen.keys() == wanted.keys()
    keys = list(wanted)
    missing_is_nan = np.array([wanted[key] for key in keys], dtype=float)
    np.testing.assert_array_equal(np.array([seen[key] for key in keys]), missing_is_nan)
    service = Service(store, bundle)
    quality = next(m for m in service.monitors() if m["name"] == "quality")
    assert quality["rows"] == len(seen)
    ns = [result["n"] for result in service.results("quality")]
    assert REQUESTS * ROWS in ns, "the lifetime window counted all that had come before the end"
    assert max(ns) <= len(seen)
    store.close()
