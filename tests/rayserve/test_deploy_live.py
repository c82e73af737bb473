"""From the command line into a Serve that others use too: only what changed is touched, and state is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.rayserve.kill_model import FEATURES
from tests.rayserve.killing import make_labels, make_rows, wait_for

from vedette.store import series
from vedette.store.database import Store
from vedette_rayserve.deploy import ServeClient
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import monitors_app

pytestmark = pytest.mark.ray
MODEL = "livedeploy"
OTHERS = ("first", "second")
MONITORS: dict[str, Any] = {
    "quality": {"metrics": ["moments"], "window": {"lifetime": True, "every": "1s"}},
    "drift": {"detect": {"use": "ks", "correction": "bh"}, "window": {"lifetime": True, "every": "1s"}},
    "outliers": {"detect": "mahalanobis"},
}


@dataclass
class Live:
    """A folder as a user has it, and the commands that are run there."""

    cluster: LocalRay
    folder: Path
    client: ServeClient
    sent: int = 0

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'vedette.db'}"

    def write(self, monitors: dict[str, Any]) -> None:
        """serve_config.yaml with the model and what others deployed, and monitors.yaml."""
        applications = [
            {"name": name, "route_prefix": f"/{name}", "import_path": f"tests.rayserve.survival_model:{variable}"}
            for name, variable in [*((name, name) for name in OTHERS), (MODEL, "app")]
        ]
        said = {
            "version": 1,
            "model": {"name": MODEL},
            "reference": "reference.parquet",
            "schema": {"label": "label", "positive": "1"},
            "store": self.store_url,
            "monitors": monitors,
        }
        (self.folder / "serve_config.yaml").write_text(yaml.safe_dump({"applications": applications}))
        (self.folder / "monitors.yaml").write_text(yaml.safe_dump(said))

    def run(self, *arguments: str) -> str:
        done = self.cluster.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def vedette(self, *arguments: str) -> str:
        return self.run("tests.rayserve.vedette_command", *arguments)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def instrument(self) -> str:
        arguments = ["serve_config.yaml", "-c", "monitors.yaml", "-o", "monitored.yaml"]
        paths = [argument if argument.startswith("-") else self.path(argument) for argument in arguments]
        return self.vedette("rayserve", "instrument", *paths, "--application", MODEL)

    def deploy(self, *names: str) -> str:
        """`vedette deploy`, until these applications run as configured."""
        said = self.vedette("deploy", self.path("monitored.yaml"), "--address", self.cluster.dashboard, "--yes")
        self.running(*names)
        return said

    def running(self, *names: str) -> None:
        def look() -> bool:
            found = self.client.applications()
            return all(found.get(name, {}).get("status") == "RUNNING" for name in names)

        wait_for(look, 90.0, f"{names} running")

    def pids(self, application: str) -> set[int]:
        found = self.client.applications()[application]["deployments"].values()
        return {replica["pid"] for deployment in found for replica in deployment["replicas"]}

    def ask(self, name: str) -> Any:
        return httpx.get(f"{self.cluster.url}/{name}", timeout=20.0, trust_env=False).raise_for_status().json()

    def monitors(self, path: str) -> Any:
        url = f"{self.cluster.url}/vedette/{MODEL}/api/{path}"
        return httpx.get(url, timeout=20.0, trust_env=False).raise_for_status().json()

    def predict(self, requests: int = 5, rows: int = 100) -> None:
        rng = np.random.default_rng(self.sent)
        for _ in range(requests):
            body = {"instances": np.nan_to_num(make_rows(rng, rows)).tolist()}
            answer = httpx.post(f"{self.cluster.url}/{MODEL}", json=body, timeout=20.0, trust_env=False)
            assert len(answer.raise_for_status().json()["predictions"]) == rows
            self.sent += rows

    def results(self, monitor: str) -> list[dict[str, Any]]:
        return list(self.monitors(f"results?monitor={monitor}&limit=1000"))

    def series(self, monitor: str | None = None) -> dict[str, list[tuple[int, str]]]:
        """monitor -> (id, status) of each of its series, oldest first."""
        store = Store(self.store_url)
        with store.read() as connection:
            found = series.all_series(connection, MODEL, monitor)
        store.close()
        names = [one.monitor for one in found]
        return {name: [(one.id, one.status) for one in found if one.monitor == name] for name in dict.fromkeys(names)}


@pytest.fixture
def live(cluster: LocalRay, tmp_path: Path) -> Iterator[Live]:
    rng = np.random.default_rng(3)
    rows = np.nan_to_num(make_rows(rng, 2000))
    frame = pd.DataFrame(rows, columns=list(FEATURES)).assign(label=make_labels(rng, rows))
    frame.to_parquet(tmp_path / "reference.parquet")
    made = Live(cluster, tmp_path, ServeClient(cluster.dashboard))
    yield made
    made.client.put({"applications": []})
    mine = {*OTHERS, MODEL, monitors_app(MODEL)}
    wait_for(lambda: not mine & made.client.applications().keys(), what="an empty Serve")
    made.client.close()


def test_monitors_are_deployed_and_changed_without_touching_anything_else(live: Live) -> None:
    live.write(MONITORS)
    live.run("ray.serve.scripts", "deploy", live.path("serve_config.yaml"), "--address", live.cluster.dashboard)
    live.running(*OTHERS, MODEL)
    said = {name: live.ask(name) for name in OTHERS}
    pids = {name: live.pids(name) for name in OTHERS}

    live.instrument()
    assert {change["action"] for change in diff(live)} == {"start"}
    shown = live.deploy(MODEL, monitors_app(MODEL))
    for line in (*(f"keep  {name}" for name in OTHERS), f"change  {MODEL}", f"add  {monitors_app(MODEL)}"):
        assert line in shown
    untouched(live, said, pids)
    model_pids, started = live.pids(MODEL), live.series()
    assert started.keys() == MONITORS.keys()
    live.predict()
    before = settled(live, dict.fromkeys(MONITORS, 500))

    live.write({**MONITORS, "drift": {**MONITORS["drift"], "detect": {"use": "ks", "correction": "by"}}})
    assert {c["monitor"]: c["action"] for c in diff(live)} == {
        "quality": "keep", "drift": "restart", "outliers": "keep",
    }  # fmt: skip
    live.instrument()
    assert live.series() == started, "nothing changes before the deploy"
    shown = live.deploy(MODEL, monitors_app(MODEL))
    assert f"keep  {MODEL}" in shown
    assert f"change  {monitors_app(MODEL)}" in shown
    wait_for(lambda: len(live.series()["drift"]) == 2, what="the new series")
    untouched(live, said, pids)
    assert live.pids(MODEL) == model_pids

    now = live.series()
    assert {name: now[name] for name in ("quality", "outliers")} == {
        name: started[name] for name in ("quality", "outliers")
    }
    (old, _), (new, _) = now["drift"]
    assert old == started["drift"][0][0]
    assert [status for _, status in now["drift"]] == ["retired", "active"]
    assert new not in {one for found in started.values() for one, _ in found}

    live.predict()
    after = settled(live, {"quality": 1000, "drift": 500, "outliers": 1000})
    end = before["drift"][-1]["end"]
    assert [r for r in after["drift"] if r["end"] <= end] == before["drift"], "old results can still be read"


def diff(live: Live) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(live.vedette("diff", live.path("monitors.yaml"), "--json"))["changes"]
    return found


def untouched(live: Live, said: dict[str, Any], pids: dict[str, set[int]]) -> None:
    """What others deployed is listed, runs in the same processes, and answers as before."""
    found = live.client.applications()
    for name in OTHERS:
        assert found[name]["status"] == "RUNNING"
        assert live.pids(name) == pids[name]
        assert live.ask(name) == said[name]


def settled(live: Live, rows: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """Results of the monitors, once each says that it has counted so many rows and shows them."""

    def look() -> dict[str, list[dict[str, Any]]] | None:
        counted = {one["name"]: one["rows"] for one in live.monitors("monitors")}
        found = {name: live.results(name) for name in rows}
        windows = [name for name in rows if name != "outliers"]
        done = counted == rows and all(found[name] and found[name][-1]["n"] == rows[name] for name in windows)
        return found if done else None

    found: dict[str, list[dict[str, Any]]] = wait_for(look, 60.0, f"rows {rows}")
    return found
