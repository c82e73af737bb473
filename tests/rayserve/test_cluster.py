"""Instrumented beside plain applications on a real cluster: the same bytes over HTTP, and every row at the pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from ray import serve
from tests.rayserve import models, models_api
from tests.rayserve.recording import SCHEMA, recording_monitors, rows_of, wait_for

from vedette.config.plan import CaptureSpec
from vedette.engine.message import Message
from vedette_rayserve import predict
from vedette_rayserve.instrument import instrument
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import pool_deployment
from vedette_rayserve.tapping import Instrumentation
from vedette_specs.batch import Batch
from vedette_specs.convert import as_batch

pytestmark = pytest.mark.ray
ROWS = [[1.0, 1.0], [1.0, 3.0], [3.0, 1.0]]
SCORES = [0.5, 0.25, 0.75]
MONITORS = "watched-vedette"
SMALL = {"num_cpus": 0.1}
APPS = {
    "api": (models_api.Api.options(ray_actor_options=SMALL).bind("m1"), CaptureSpec(method="predict")),
    "batched": (models.Batched.options(ray_actor_options=SMALL).bind(), CaptureSpec()),
    "multiplexed": (models.Multiplexed.options(ray_actor_options=SMALL).bind(), CaptureSpec()),
}


@pytest.fixture(scope="module")
def urls(cluster: LocalRay) -> Iterator[dict[str, str]]:
    """URLs of the applications: `<name>` instrumented, `plain-<name>` as the user wrote it."""
    serve.run(recording_monitors(), name=MONITORS, route_prefix="/vedette/watched")
    targets = []
    for name, (app, capture) in APPS.items():
        targets.append(serve.RunTarget(app, name=f"plain-{name}", route_prefix=f"/plain-{name}"))
        watched = instrument(app, Instrumentation(MONITORS, capture))
        targets.append(serve.RunTarget(watched, name=name, route_prefix=f"/{name}"))
    serve.run_many(targets)
    yield {target.name: f"{cluster.url}{target.route_prefix}" for target in targets}
    for name in [*(target.name for target in targets), MONITORS]:
        serve.delete(name, _blocking=False)


def arrived(*ids: str) -> Batch:
    """The rows of these requests, once all have arrived."""
    pool = serve.get_deployment_handle(pool_deployment("default"), app_name=MONITORS)

    def look() -> Batch | None:
        batch = rows_of([Message.from_bytes(m) for m in pool.kept.remote().result(timeout_s=5)])
        if batch is None or batch.ids is None or not set(ids) <= set(batch.ids):
            return None
        return batch.take(np.isin(batch.ids.astype(str), ids))

    batch: Batch = wait_for(look, 20.0)
    return batch


def both(urls: dict[str, str], name: str, method: str, path: str, **request: Any) -> httpx.Response:
    """The response of the instrumented application, which must be that of the plain one."""
    with httpx.Client(trust_env=False, timeout=20.0) as client:
        plain = client.request(method, urls[f"plain-{name}"] + path, **request)
        watched = client.request(method, urls[name] + path, **request)
    assert watched.status_code == plain.status_code
    assert watched.content == plain.content.replace(f"/plain-{name}".encode(), f"/{name}".encode())  # its own links
    own = {"date", "x-request-id", "content-length"}
    assert {k: v for k, v in watched.headers.items() if k not in own} == {
        k: v for k, v in plain.headers.items() if k not in own
    }
    return watched


def test_fastapi_answers_the_same_bytes_and_its_rows_arrive(urls: dict[str, str]) -> None:
    response = both(urls, "api", "POST", "/predict", json={"instances": ROWS}, headers={"X-Request-Id": "api-1"})
    assert response.json() == {"probabilities": SCORES, "model": "m1"}
    assert response.headers["x-request-id"] == "api-1"
    batch = arrived("api-1")
    assert batch.rows is not None
    assert batch.probabilities is not None
    assert batch.rows.tolist() == [0, 1, 2]
    assert batch.probabilities[:, 1].tolist() == SCORES


def test_id_that_serve_made_is_the_one_that_the_client_gets(urls: dict[str, str]) -> None:
    response = httpx.post(urls["api"] + "/predict", json={"instances": ROWS[:1]}, trust_env=False)
    assert len(arrived(response.headers["x-request-id"])) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/echo", {"instances": ROWS}),
        ("GET", "/healthz", None),
        ("POST", "/predict", {"wrong": 1}),
        ("GET", "/openapi.json", None),
        ("GET", "/docs", None),
        ("GET", "/nowhere", None),
        ("POST", "/stream", {"instances": ROWS}),
    ],
)
def test_everything_else_of_an_api_is_as_before(urls: dict[str, str], method: str, path: str, body: Any) -> None:
    response = both(urls, "api", method, path, json=body)
    if path == "/stream":
        assert response.text == "".join(f"data: {p}\n\n" for p in SCORES)


def test_websockets_still_work(urls: dict[str, str]) -> None:
    async def talk() -> Any:
        async with websockets.connect(urls["api"].replace("http", "ws") + "/ws", proxy=None) as socket:
            await socket.send(json.dumps(ROWS))
            return json.loads(await socket.recv())

    assert asyncio.run(talk()) == SCORES


def test_batches_are_still_made(urls: dict[str, str]) -> None:
    async def post() -> list[httpx.Response]:
        async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
            sent = [
                client.post(urls["batched"], json={"instances": [row]}, headers={"x-request-id": f"b-{i}"})
                for i, row in enumerate(ROWS)
            ]
            return await asyncio.gather(*sent)

    answers = asyncio.run(post())
    assert [a.json()["probabilities"][0] for a in answers] == SCORES
    assert max(serve.get_app_handle("batched").seen.remote().result(timeout_s=5)) > 1
    assert len(arrived("b-0", "b-1", "b-2")) == 3


def test_multiplexed_models_are_still_chosen_by_header(urls: dict[str, str]) -> None:
    headers = {"serve_multiplexed_model_id": "0.5", "x-request-id": "mux-1"}
    response = both(urls, "multiplexed", "POST", "/", json={"instances": ROWS}, headers=headers)
    assert response.json()["probabilities"] == [0.25, 0.125, 0.375]
    assert len(arrived("mux-1")) == 3


@pytest.mark.parametrize("name", ["api", "batched"])
def test_explainers_predict_without_being_tapped(urls: dict[str, str], name: str) -> None:
    httpx.post(
        urls[name] + ("/predict" if name == "api" else ""),
        json={"instances": ROWS[:1]},
        headers={"x-request-id": f"before-{name}"},
        trust_env=False,
    ).raise_for_status()
    count = len(arrived(f"before-{name}"))
    rows = as_batch({"a": [1.0, 2.0], "b": [4.0, 2.0]}, SCHEMA)
    handle = serve.get_app_handle(name).options(method_name=predict.PREDICT)
    status, value = handle.remote(predict.question(rows, APPS[name][1])).result(timeout_s=10)
    assert status == "ok", value
    np.testing.assert_allclose(predict.answer(value), [[0.8, 0.2], [0.5, 0.5]])
    assert len(arrived(f"before-{name}")) == count
