"""POST feedback that names a key of the business, which the capture took from a header."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.sites import YAML, Site, site

KEYED = YAML.replace("windows:", "labels: {join: order, within: 1h}\nwindows:", 1).replace(
    "{region: header.x-region}", "{region: header.x-region, order: header.x-order}"
)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("keyed"), KEYED) as found:
        yield found


def predict(found: Site, request: str, order: str) -> None:
    headers = {"X-Region": "north", "X-Order": order, "X-Request-Id": request}
    row = {"age": 40.0, "hours": 40.0, "balance": 1.0, "sector": "private"}
    assert found.client.post("/v1/models/income:predict", json={"instances": [row]}, headers=headers).is_success


def labels_of(found: Site, request: str) -> list[object]:
    found.settle()
    return [row["label"] for row in found.client.get(f"/api/predictions/{request}").json()]


def test_a_label_finds_its_prediction_by_the_order(keyed: Site) -> None:
    predict(keyed, "r-1", "A-17")
    early = {"id": "A-18", "label": "<=50K"}
    assert keyed.client.post("/feedback", json=[{"id": "A-17", "labels": [">50K"]}, early]).json() == {"accepted": 2}
    assert labels_of(keyed, "r-1") == [">50K"]
    predict(keyed, "r-2", "A-18")
    assert labels_of(keyed, "r-2") == ["<=50K"]
    (first,) = keyed.client.get("/api/predictions/r-1").json()
    assert first["attributes"]["order"] == "A-17"


def test_what_names_more_than_a_row_is_refused_with_its_place(keyed: Site) -> None:
    reply = keyed.client.post("/feedback", json={"id": "A-17", "labels": [">50K", "<=50K"]})
    assert (reply.status_code, reply.json()["field"]) == (400, "labels")
    assert "labels.join is 'order'" in reply.json()["error"]
    reply = keyed.client.post("/feedback", json={"id": "A-17", "row": 2, "label": ">50K"})
    assert (reply.status_code, reply.json()["field"]) == (400, "row")
