"""The model under V2 and V1: answers that its clients know, predictions that the monitors see."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.http.sites import MODEL, Site, label_list

ROWS = MODEL.rows(3, 9)
RECORDS = ROWS.to_records()
EXPECTED = MODEL.predict(ROWS)
CLASSES = [MODEL.schema.classes[i] for i in EXPECTED.argmax(axis=1)]
V2: dict[str, Any] = {
    "inputs": [
        {"name": name, "shape": [3, 1], "datatype": "BYTES" if name == "sector" else "FP64", "data": column.to_list()}
        for name, column in ROWS.inputs.items()
    ]
}


def stored(site: Site, request: str) -> list[dict[str, Any]]:
    site.settle()
    found: list[dict[str, Any]] = site.client.get(f"/api/predictions/{request}").json()
    return found


def test_v2_answers_echo_the_id_and_give_probabilities(served: Site) -> None:
    reply = served.client.post("/v2/models/income/infer", json={"id": "v2-echo", **V2})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert (body["model_name"], body["id"], reply.headers["x-request-id"]) == ("income", "v2-echo", "v2-echo")
    label, scores = body["outputs"]
    assert label == {"name": "predict", "shape": [3, 1], "datatype": "BYTES", "data": CLASSES}
    assert (scores["name"], scores["shape"], scores["datatype"]) == ("predict_proba", [3, 2], "FP64")
    assert np.array(scores["data"]).reshape(3, 2) == pytest.approx(EXPECTED)


def test_v2_gives_the_outputs_that_are_asked_for(served: Site) -> None:
    body = {**V2, "outputs": [{"name": "predict_proba"}]}
    found = served.client.post("/v2/models/income/infer", json=body).json()
    assert [output["name"] for output in found["outputs"]] == ["predict_proba"]
    reply = served.client.post("/v2/models/income/infer", json={**V2, "outputs": [{"name": "nope"}]})
    assert (reply.status_code, reply.json()["field"]) == (400, "outputs")


def test_an_id_is_minted_where_there_is_none(served: Site) -> None:
    first, second = (served.client.post("/v2/models/income/infer", json=V2) for _ in range(2))
    assert first.json()["id"] == first.headers["x-request-id"]
    assert first.json()["id"] != second.json()["id"]
    assert len(stored(served, first.json()["id"])) == 3


def test_the_header_s_id_is_the_prediction_s(served: Site) -> None:
    headers = {"X-Request-Id": "header-id", "X-Region": "south"}
    reply = served.client.post("/v2/models/income/infer", json={"id": "body-id", **V2}, headers=headers)
    assert (reply.json()["id"], reply.headers["x-request-id"]) == ("body-id", "header-id")
    found = stored(served, "header-id")
    assert [row["prediction"] for row in found] == CLASSES
    assert np.array([row["probabilities"] for row in found]) == pytest.approx(EXPECTED)
    assert {row["attributes"]["region"] for row in found} == {"south"}


@pytest.mark.parametrize("path", ["/v1/models/income:predict", "/predict"])
@pytest.mark.parametrize("body", [{"instances": RECORDS}, {"inputs": V2["inputs"]}, RECORDS])
def test_v1_and_plain(served: Site, path: str, body: Any) -> None:
    reply = served.client.post(path, json=body)
    assert reply.json()["predictions"] == CLASSES
    assert np.array(reply.json()["probabilities"]) == pytest.approx(EXPECTED)
    assert reply.headers["x-request-id"]


def test_v1_explains_one_instance_as_alibi_does(served: Site) -> None:
    one = served.client.post("/v1/models/income:explain", json={"instances": RECORDS[:1]}).json()
    assert set(one) == {"meta", "data"}
    several = served.client.post("/v1/models/income:explain", json={"instances": RECORDS}).json()
    assert len(several["explanations"]) == 3


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/v2", {"name", "version", "extensions"}),
        ("/v2/health/live", {"live"}),
        ("/v2/health/ready", {"ready"}),
        ("/v2/models/income", {"name", "versions", "platform", "inputs", "outputs"}),
        ("/v2/models/income/ready", {"name", "ready"}),
        ("/v2/models/income/versions/1/ready", {"name", "ready"}),
        ("/v1/models/income", {"name", "ready"}),
    ],
)
def test_about_the_model(served: Site, path: str, keys: set[str]) -> None:
    assert set(served.client.get(path).json()) == keys


@pytest.mark.parametrize("headers", [{"Seldon-Skip-Logging": "true"}, {"Ce-Id": "explain-7"}])
def test_explainers_traffic_is_not_monitored(served: Site, headers: dict[str, str]) -> None:
    request = f"skipped-{len(headers)}-{next(iter(headers))}"
    reply = served.client.post("/predict", json=RECORDS, headers={**headers, "X-Request-Id": request})
    assert reply.status_code == 200
    served.settle()
    assert served.client.get(f"/api/predictions/{request}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/v2/models/other/infer", V2, 404, "model"),
        ("/v2/models/other", None, 404, "model"),
        ("/v1/models/other:predict", {"instances": RECORDS}, 404, "model"),
        ("/v1/models/other:explain", {"instances": RECORDS}, 404, "model"),
        ("/v2/models/income/infer", {}, 400, "body"),
        ("/v2/models/income/infer", {"inputs": []}, 400, "body.inputs"),
        ("/v2/models/income/infer", {"inputs": [{**V2["inputs"][0], "shape": [7, 1]}]}, 400, "body.inputs"),
        ("/v2/models/income/infer", {"inputs": [{**V2["inputs"][0], "datatype": "FP1"}]}, 400, "body.inputs"),
        ("/v1/models/income:predict", {"instances": []}, 400, "body.instances"),
        ("/v1/models/income:predict", {"instances": [[1]]}, 400, "body.instances"),
        ("/v1/models/income:predict", {"instances": [{**RECORDS[0], "hours": "many"}]}, 400, "hours"),
        ("/predict", "text", 400, "body"),
    ],
)
def test_wrong_requests(served: Site, path: str, body: Any, status: int, field: str) -> None:
    method = "GET" if body is None else "POST"
    reply = served.client.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert reply.status_code == status, reply.text
    assert reply.json()["field"].startswith(field), reply.text


def test_bodies_that_are_no_json(served: Site) -> None:
    for data in (b"", b"{", b"\xff\xff", b"[" * 5000):
        reply = served.client.post("/predict", content=data)
        assert (reply.status_code, reply.json()["field"]) == (400, "body")


def test_many_clients_at_once_lose_nothing(served: Site) -> None:
    """Predictions, labels and looks at the page at the same time; every row is counted once."""

    def total() -> int:
        served.settle()
        return int(served.client.get("/api/monitors").json()[1]["rows"])

    before = total()

    def one(i: int) -> None:
        rows = MODEL.rows(7, 1000 + i)
        assert served.predict(7, f"many-{i}", seed=1000 + i).status_code == 200
        body = {"id": f"many-{i}", "labels": label_list(rows)}
        assert served.client.post("/feedback", json=body).status_code == 202
        path = ("/", "/api/results", "/metrics", "/api/status", "/healthz")[i % 5]
        assert served.client.get(path).status_code == 200

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(120)))
    assert total() == before + 120 * 7
    for i in (0, 57, 119):
        found = served.client.get(f"/api/predictions/many-{i}").json()
        assert [row["label"] for row in found] == label_list(MODEL.rows(7, 1000 + i))
