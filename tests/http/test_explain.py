"""POST explain: instances in any format, past predictions, limits, and sensible refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.http.sites import MODEL, YAML, Site, site

from vedette_specs import Batch

ROWS = MODEL.rows(2, 5)
RECORDS = ROWS.to_records()
NAMES = list(ROWS.inputs)
LISTS = [list(record.values()) for record in RECORDS]
V2 = [
    {"name": name, "shape": [2, 1], "datatype": "BYTES" if name == "sector" else "FP64",
     "data": [record[name] for record in RECORDS]}
    for name in NAMES
]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"instances": RECORDS},
        {"instances": LISTS},
        {"inputs": V2},
        {"id": "v2 calls have an id too", "inputs": V2, "parameters": {}},
        {"dataframe_records": RECORDS},
        {"dataframe_split": {"columns": NAMES, "data": LISTS}},
        RECORDS,
        LISTS,
    ],
)
def test_every_format_gives_the_same_explanations(served: Site, body: Any) -> None:
    reply = served.client.post("/explain", json=body)
    assert reply.status_code == 200, reply.text
    found = reply.json()["explanations"]
    expected = served.embedded.service.explain(rows=ROWS)
    assert [e["data"] for e in found] == [e["data"] for e in expected]
    assert len(found) == 2


def test_attributions_add_up_to_the_model_s_answer(served: Site) -> None:
    (found,) = served.client.post("/explain", json=RECORDS[0]).json()["explanations"]
    assert found["meta"]["name"] == "KernelShap"
    data = found["data"]
    output = float(MODEL.predict(Batch(ROWS.take([0]).inputs, MODEL.schema))[0, 1])
    total = sum(data["shap_values"][">50K"].values()) + data["expected_value"][">50K"]
    assert total == pytest.approx(output, abs=1e-6)


def test_a_named_explainer_and_lower_limits(served: Site) -> None:
    few = served.client.post("/explain/other", json={"instances": RECORDS[:1], "max_rows": 100}).json()
    many = served.client.post("/explain/other", json={"instances": RECORDS[:1], "max_rows": 10**9}).json()
    assert few["explanations"][0]["meta"]["params"]["rows"] <= 100
    assert 100 < many["explanations"][0]["meta"]["params"]["rows"] <= 200


def test_a_past_prediction(served: Site) -> None:
    served.predict(3, "past")
    served.settle()
    reply = served.client.post("/explain", json={"id": "past", "row": 2})
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["explanations"]) == 1


def test_a_detector_s_score(served: Site) -> None:
    reply = served.client.post("/explain", json={"instances": RECORDS[:1], "target": "outliers"})
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/explain/nobody", {"instances": RECORDS}, 404, "explainer"),
        ("/explain", {}, 400, "body"),
        ("/explain", "text", 400, "body"),
        ("/explain", 7, 400, "body"),
        ("/explain", [], 400, "body"),
        ("/explain", {"max_rows": 5}, 400, "body"),
        ("/explain", {"id": "gone"}, 404, "id"),
        ("/explain", {"id": 7}, 400, "id"),
        ("/explain", {"id": "past", "row": -1}, 400, "row"),
        ("/explain", {"id": "past", "row": 10**30}, 400, "row"),
        ("/explain", {"id": "past", "row": "1"}, 400, "row"),
        ("/explain", {"instances": RECORDS, "target": "drift"}, 400, "target"),
        ("/explain", {"instances": RECORDS, "target": 3}, 400, "target"),
        ("/explain", {"instances": RECORDS, "max_rows": 0}, 400, "max_rows"),
        ("/explain", {"instances": RECORDS, "max_rows": 1.5}, 400, "max_rows"),
        ("/explain", {"instances": RECORDS, "max_calls": "9"}, 400, "max_calls"),
        ("/explain", {"instances": RECORDS, "deadline": -1}, 400, "deadline"),
        ("/explain", {"instances": RECORDS, "deadline": True}, 400, "deadline"),
        ("/explain", {"instances": [[1, 2]]}, 400, "body.instances"),
        ("/explain", {"instances": [{**RECORDS[0], "age": "old"}]}, 400, "age"),
        ("/explain", {"instances": LISTS * 60}, 400, "instances"),
    ],
)
def test_wrong_requests(served: Site, path: str, body: Any, status: int, field: str) -> None:
    reply = served.client.post(path, json=body)
    assert reply.status_code == status, reply.text
    assert field in reply.json()["field"], reply.text
    assert len(reply.text) < 600


def test_a_deadline_ends_it(served: Site) -> None:
    served.model.slow = 0.4
    try:
        row = {**RECORDS[0], "age": 33.3}
        reply = served.client.post("/explain", json={"instances": [row], "deadline": 0.1})
    finally:
        served.model.slow = 0.0
    assert reply.status_code in (200, 504), reply.text
    if reply.status_code == 200:
        assert reply.json()["explanations"][0]["meta"]["budget_exhausted"]


def test_only_a_few_at_a_time(served: Site) -> None:
    served.model.slow = 0.3

    def ask(i: int) -> int:
        return served.client.post("/explain", json={"instances": [{**RECORDS[0], "age": 20.0 + i}]}).status_code

    try:
        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(ask, range(12)))
    finally:
        served.model.slow = 0.0
    assert found.count(429) >= 1
    assert found.count(200) >= 4
    assert set(found) == {200, 429}
    assert ask(99) == 200


def test_without_a_model_only_scores_can_be_explained(tmp_path: Path) -> None:
    with site(tmp_path, with_model=False) as found:
        reply = found.client.post("/explain", json={"instances": RECORDS})
        assert (reply.status_code, reply.json()["field"]) == (409, "target")
        body = {"instances": RECORDS, "target": "outliers"}
        assert found.client.post("/explain", json=body).status_code == 200
        assert found.client.post("/predict", json=RECORDS).status_code == 404


def test_without_an_explainer(tmp_path: Path) -> None:
    with site(tmp_path, YAML[: YAML.index("explainers:")]) as found:
        reply = found.client.post("/explain", json={"instances": RECORDS})
        assert (reply.status_code, reply.json()["field"]) == (404, "explainer")
        assert "add to the YAML, say: explainers: {" in reply.text
