"""Every kind of endpoint shows its calls, decoded, and answers as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.bentoml.configuration import write_config
from tests.bentoml.models import many

from vedette.engine.capture import Call, decode
from vedette.testing.platforms.model import CLASSES, FEATURES, probabilities
from vedette_bentoml import watch
from vedette_specs.schema import Schema

ROWS = [[0.5, 1.0, -1.0], [-2.0, 0.0, 0.5]]
RECORDS = [dict(zip(FEATURES, row, strict=True)) for row in ROWS]
SCHEMA = Schema(
    task="binary", classes=CLASSES, positive=CLASSES[1], features=dict.fromkeys(FEATURES, "numeric"), label="label"
)
REQUESTS = {
    "arrays": {"rows": ROWS},
    "frame": {"rows": RECORDS},
    "model": RECORDS[0],
    "features": RECORDS[0],
    "batched": {"rows": ROWS},
    "stream": {"rows": ROWS},
    "astream": {"rows": ROWS},
    "context": {"rows": ROWS},
}
SINGLE = ("model", "features")


class Watched:
    """A watched service in this process; what its endpoints show is kept instead of being shipped."""

    def __init__(self, config: Path) -> None:
        self.service = many()
        self.spec = json.dumps(self.service.openapi_spec.asdict())
        watch(self.service, config, endpoint=[*REQUESTS, "raises"])
        self.calls: list[Call] = []
        self.service.inner._vedette_tapping.offer = self.calls.append


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(write_config(tmp_path_factory.mktemp("endpoints")))


@pytest.fixture
def watched(shared: Watched) -> Watched:
    shared.calls.clear()
    shared.service.inner._vedette_tapping.offer = shared.calls.append
    return shared


@pytest.fixture(scope="module")
def client(shared: Watched) -> Iterator[TestClient]:
    with TestClient(shared.service.to_asgi(), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def plain() -> Iterator[TestClient]:
    with TestClient(many().to_asgi(), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("name", REQUESTS)
def test_an_endpoint_answers_as_before_and_shows_its_rows(
    name: str, watched: Watched, client: TestClient, plain: TestClient
) -> None:
    answer = client.post(f"/{name}", json=REQUESTS[name], headers={"x-request-id": f"r-{name}"})
    wanted = plain.post(f"/{name}", json=REQUESTS[name])
    assert (answer.status_code, answer.content) == (wanted.status_code, wanted.content)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-request-id"] == f"r-{name}"
    assert "x-request-id" not in wanted.headers
    (call,) = watched.calls
    batch = decode(call, SCHEMA, _capture())
    rows = ROWS[:1] if name in SINGLE else ROWS
    assert batch.matrix().tolist() == rows
    assert batch.ids is not None
    assert set(batch.ids) == {f"r-{name}"}
    assert batch.prediction is not None
    assert batch.prediction.to_list() == [CLASSES[int(row[1] >= 0.5)] for row in probabilities(rows)]


def test_requests_of_one_batch_are_told_apart(watched: Watched, client: TestClient) -> None:
    def post(number: int) -> str:
        rows = [[float(number), 0.0, 0.0]] * (number % 3 + 1)
        answer = client.post("/batched", json={"rows": rows}, headers={"x-request-id": f"b-{number}"})
        assert answer.json() == probabilities(rows).tolist()
        return str(answer.headers["x-request-id"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, range(24))) == [f"b-{number}" for number in range(24)]
    batches = {call.request_id: decode(call, SCHEMA, _capture()) for call in watched.calls}
    assert len(batches) == len(watched.calls) == 24
    for number in range(24):
        batch = batches[f"b-{number}"]
        assert batch.inputs["a"].to_list() == [float(number)] * (number % 3 + 1)
        assert batch.probabilities is not None
        assert batch.probabilities.tolist() == probabilities([[number, 0, 0]] * len(batch)).tolist()


def test_an_id_is_minted_where_the_client_gives_none(watched: Watched, client: TestClient) -> None:
    answers = [client.post("/arrays", json={"rows": ROWS}) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert [call.request_id for call in watched.calls] == ids


def test_requests_that_ask_so_are_left_out(watched: Watched, client: TestClient) -> None:
    for name, body in REQUESTS.items():
        assert client.post(f"/{name}", json=body, headers={"Seldon-Skip-Logging": "true"}).status_code == 200
    assert watched.calls == []


@pytest.mark.parametrize(
    ("name", "body"),
    [("raises", {"rows": ROWS}), ("arrays", {"rows": [[1.0]]}), ("arrays", {}), ("context", {"rows": []})],
)
def test_errors_are_answered_as_before_and_counted_as_failed(
    name: str, body: Any, watched: Watched, client: TestClient, plain: TestClient
) -> None:
    answer, wanted = client.post(f"/{name}", json=body), plain.post(f"/{name}", json=body)
    assert (answer.status_code, answer.content) == (wanted.status_code, wanted.content)
    assert answer.status_code >= 400
    (call,) = watched.calls
    assert call.status == answer.status_code


def test_what_the_service_says_of_itself_stays(watched: Watched) -> None:
    assert json.dumps(watched.service.openapi_spec.asdict()) == watched.spec


def test_a_response_header_of_the_models_own_stays(client: TestClient) -> None:
    assert client.post("/context", json={"rows": ROWS}).headers["x-mine"] == "yes"


def test_a_tap_that_fails_costs_the_model_nothing(watched: Watched, client: TestClient) -> None:
    def broken(call: Any) -> None:
        raise RuntimeError("no tap")

    watched.service.inner._vedette_tapping.offer = broken
    for name, body in REQUESTS.items():
        assert client.post(f"/{name}", json=body).status_code == 200, name


def _capture() -> Any:
    from vedette.config.plan import CaptureSpec

    return CaptureSpec()
