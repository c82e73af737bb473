"""Real servers for the tests: a model with monitors on the loopback, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from vedette.config import load_all
from vedette.engine.bundle import build_bundle
from vedette.engine.explain.gateway import Answer, Gateway
from vedette.http.embedded import Embedded
from vedette.http.running import bind
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette.testing.data import MadeUpModel
from vedette_specs import Batch

MODEL = MadeUpModel("binary")
YAML = """
version: 1
model: {name: income}
reference: reference.parquet
store: "STORE"
schema:
  task: binary
  classes: ["<=50K", ">50K"]
  positive: ">50K"
  label: income
  features: {age: numeric, hours: numeric, balance: numeric, sector: category}
capture: {attributes: {region: header.x-region}}
windows: {recent: {last: 100 rows, every: 20 rows}}
privacy: {payloads: all}
monitors:
  performance: {metrics: [accuracy, roc_auc], window: recent, by: region, alert: {when: "accuracy < 0.999"}}
  quality: {metrics: [missing_rate, moments], window: recent}
  drift: {detect: ks, window: recent}
  outliers: {detect: mahalanobis}
explainers:
  why: {use: kernel_shap, background: 20, max_rows: 400, deadline: 20s}
  other: {use: kernel_shap, background: 10, max_rows: 200}
"""


class KnownModel:
    """The made-up model itself. slow: seconds that a call takes.  broken: raises."""

    def __init__(self) -> None:
        self.slow = 0.0
        self.calls = 0

    def ask(self, rows: Batch) -> Answer:
        self.calls += 1
        time.sleep(self.slow)
        found = MODEL.predict(rows)
        classes = MODEL.schema.classes
        return Answer([classes[i] for i in found.argmax(axis=1)], found)

    def close(self) -> None:
        """Nothing is held."""


def write_config(folder: Path, text: str = YAML, store: str | None = None) -> Path:
    """monitors.yaml with its reference beside it."""
    rows = MODEL.rows(600)
    frame = frame_of(rows)
    assert rows.labels is not None
    frame["income"] = rows.labels.to_list()
    frame.to_parquet(folder / "reference.parquet", index=False)
    path = folder / "monitors.yaml"
    path.write_text(text.replace("STORE", store or "sqlite:///vedette.db"))
    return path


def frame_of(rows: Batch) -> Any:
    import pandas as pd

    return pd.DataFrame({name: column.to_list() for name, column in rows.inputs.items()})


@dataclass
class Site:
    """A running server and a client of it."""

    embedded: Embedded
    url: str
    client: httpx.Client
    model: KnownModel

    def predict(self, n: int, request: str | None = None, region: str = "north", seed: int = 1) -> httpx.Response:
        headers = {"X-Region": region} | ({"X-Request-Id": request} if request else {})
        body = {"instances": MODEL.rows(n, seed).to_records()}
        return self.client.post("/v1/models/income:predict", json=body, headers=headers)

    def settle(self) -> None:
        """All that was predicted and labelled so far is in the results."""
        assert self.embedded.tap is not None
        assert self.embedded.tap.flush(10.0)
        self.embedded.runtime.finish(time.time())


def make_embedded(path: Path, with_model: bool = True) -> tuple[Embedded, KnownModel]:
    loaded = load_all([path])
    bundle = build_bundle(loaded.plan, get_registry(), loaded.reference)
    model = KnownModel()
    gateway = Gateway("tests", loaded.plan.schema, model) if with_model else None
    return Embedded(Store(loaded.plan.store), bundle, get_registry(), gateway), model


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of the loopback; gives its address."""
    sock = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="error", ws="none", lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()


@contextmanager
def site(folder: Path, text: str = YAML, *, with_model: bool = True, store: str | None = None) -> Iterator[Site]:
    embedded, model = make_embedded(write_config(folder, text, store), with_model)
    embedded.start()
    try:
        with serving(embedded.app()) as url, httpx.Client(base_url=url, trust_env=False, timeout=30.0) as client:
            yield Site(embedded, url, client, model)
    finally:
        embedded.close()
        embedded.store.close()


def wait_for(true: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)


def label_list(rows: Batch) -> Sequence[str]:
    assert rows.labels is not None
    return [str(item) for item in rows.labels.to_list()]
