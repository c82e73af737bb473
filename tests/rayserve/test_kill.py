"""Kills, pauses and restarts on a real cluster: after recovery every number is that of one process that saw all."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ray import serve
from tests.rayserve.killing import (
    Client,
    holder_pid,
    kill,
    kill_actor,
    logged_rows,
    prepare,
    replicas,
    stored_times,
    wait_for,
)

from vedette.engine.bundle import Bundle
from vedette.engine.run.replay import replay
from vedette.engine.service import Service
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette_rayserve.app import ModelArgs, MonitorsArgs, build_model, build_monitors
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import monitors_app, pool_deployment

pytestmark = pytest.mark.ray
POOL = pool_deployment("default")


@dataclass
class Watched:
    cluster: LocalRay
    model: str
    bundle: Bundle
    store: Store
    service: Service
    client: Client

    @property
    def monitors(self) -> str:
        return monitors_app(self.model)

    @property
    def feedback(self) -> str:
        return f"{self.cluster.url}/vedette/{self.model}/feedback"

    def pool(self) -> list[dict[str, Any]]:
        return replicas(self.cluster, self.monitors, POOL)

    def model_pid(self) -> int | None:
        found = replicas(self.cluster, self.model, "Scorer")
        return int(found[0]["pid"]) if found else None


@pytest.fixture
def watched(cluster: LocalRay, tmp_path: Path, store_url: str) -> Iterator[Watched]:
    model = "kill" + ("pg" if store_url.startswith("postgresql") else "lite")
    bundle = prepare(tmp_path, model, store_url)
    monitors = MonitorsArgs(bundle=bundle.digest, store=store_url, model_app=model)
    tap = {"spool": str(tmp_path / "spool"), "sync": True}
    served = ModelArgs(app="tests.rayserve.kill_model:app", monitors=monitors_app(model), tap=tap)
    serve.run(build_monitors(monitors), name=monitors_app(model), route_prefix=f"/vedette/{model}")
    serve.run(build_model(served), name=model, route_prefix=f"/{model}")
    store = Store(store_url)
    one = Watched(cluster, model, bundle, store, Service(store, bundle), Client(f"{cluster.url}/{model}"))
    yield one
    one.client.http.close()
    serve.delete(model)
    serve.delete(monitors_app(model))
    store.close()


@pytest.mark.parametrize("store_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_every_row_is_counted_once_whatever_dies(watched: Watched) -> None:
    client, service = watched.client, watched.service
    client.send(100)
    wait_for(lambda: service.status()["leases"], what="a reducer")

    kill(watched.pool()[0]["pid"])  # SIGKILL of a replica, under load
    client.send(60)
    client.labels(watched.feedback, 0, 80)
    wait_for(lambda: len(watched.pool()) == 2, what="a new replica")

    kill_actor(watched.pool()[1]["actor_name"])  # ray.kill of another
    client.send(60)
    wait_for(lambda: len(watched.pool()) == 2, what="a new replica")

    kill(wait_for(lambda: _living_holder(watched), what="a reducer"))  # the reducer's holder
    client.send(60)
    wait_for(lambda: len(watched.pool()) == 2, what="a new replica")

    paused = wait_for(lambda: _living_holder(watched), what="a new holder")
    kill(paused, signal.SIGSTOP)  # past its lease, and past the time after which its batches are adopted
    client.send(40)
    time.sleep(17.0)
    kill(paused, signal.SIGCONT)
    client.labels(watched.feedback, 80, 200)
    client.send(40)

    for one in watched.pool():  # the model dies while its monitors are away: the spool has it
        kill(one["pid"])
    client.send(20)
    kill(dead := watched.model_pid())
    wait_for(lambda: watched.model_pid() not in (None, dead), 90.0, "the model's new replica")
    client.send(40)
    client.labels(watched.feedback, 200)

    assert client.failures == []
    assert client.rows >= 20_000
    wait_for(lambda: _counted(watched) == client.rows, 120.0, f"{client.rows} rows counted; {_where(watched)}")
    wait_for(lambda: _labelled(watched) == client.rows, 60.0, f"{client.rows} labels; {_where(watched)}")
    _compare(watched)
    counters = service.counters()
    assert counters["duplicates_suppressed"] > 0
    assert counters.get("dropped_rows", 0) == 0
    print(f"{watched.model}: {client.rows} rows, {counters['duplicates_suppressed']} duplicates suppressed")


def _living_holder(watched: Watched) -> int | None:
    pids = {one["pid"] for one in watched.pool()}
    leases = watched.service.status()["leases"]
    pid = holder_pid(watched.service) if leases else None
    return pid if pid in pids else None


def _monitor(watched: Watched, name: str) -> dict[str, Any]:
    return next(m for m in watched.service.monitors() if m["name"] == name)


def _counted(watched: Watched) -> int:
    assert _monitor(watched, "quality")["rows"] <= watched.client.rows, "rows were counted twice"
    return int(_monitor(watched, "quality")["rows"])


def _labelled(watched: Watched) -> int:
    return int(_monitor(watched, "performance")["labelled_rows"])


def _where(watched: Watched) -> dict[str, Any]:
    return {"logged": logged_rows(watched.store), **watched.service.counters()}


def _compare(watched: Watched) -> None:
    """The last result over everything is what a replay of all rows in one process gives."""
    times = stored_times(watched.store, watched.bundle)
    assert len(times) == watched.client.rows
    rows = watched.client.batch(watched.bundle, times)
    alone = replay(watched.bundle, get_registry(), rows)
    for monitor in ("quality", "performance", "drift"):
        (want,) = alone.results(monitor, limit=1)
        live = wait_for(lambda m=monitor, w=want: _settled(watched, m, w), 60.0, f"{monitor} settled")
        assert live["n"] == want["n"]
        assert live["status"] == want["status"]
        _same(live["values"], want["values"], monitor)
    for monitor in ("outliers", "shift"):
        assert _monitor(watched, monitor)["rows"] == watched.client.rows


def _settled(watched: Watched, monitor: str, want: dict[str, Any]) -> dict[str, Any] | None:
    found = watched.service.results(monitor, limit=1)
    return found[0] if len(found) and found[0]["n"] == want["n"] else None


def _same(live: Any, want: Any, path: str) -> None:
    assert live.keys() == want.keys()
    for name, value in want.items():
        here = f"{path}.{name}"
        if isinstance(value, dict):
            _same(live[name], value, here)
        elif value is None:
            assert live[name] is None, here
        elif "quantile" in here or ".q" in here:
            assert live[name] == pytest.approx(value, abs=0.15), here  # the sketch's rank error, about the median
        else:
            assert live[name] == pytest.approx(value, rel=1e-9, abs=1e-12), here
