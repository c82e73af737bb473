"""POST feedback: all or none, before or after the prediction, and a clear word on what is wrong."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.http.sites import MODEL, Site, label_list

from vedette.store.tables import labels


def stored(site: Site) -> int:
    with site.embedded.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(labels)) or 0


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ({"id": "a", "labels": [">50K"]}, 1),
        ({"id": "a", "labels": [">50K", None, "<=50K"]}, 2),
        ({"id": "a", "row": 3, "label": "<=50K", "annotator": "anna", "time": 1.5e9}, 1),
        ([{"id": "a", "labels": [">50K"]}, {"id": "b", "label": "<=50K"}], 2),
        ([], 0),
    ],
)
def test_labels_are_taken_and_counted(served: Site, body: Any, accepted: int) -> None:
    before = stored(served)
    reply = served.client.post("/feedback", json=body)
    assert (reply.status_code, reply.json()) == (202, {"accepted": accepted})
    assert stored(served) == before + accepted


GOOD = {"id": "good", "labels": [">50K"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("text", "body"),
        (7, "body"),
        ([GOOD, 7], "[1]"),
        ({}, "id"),
        ({"id": "a"}, "body"),
        ({"id": "a", "label": ">50K", "labels": []}, "body"),
        ({"id": "", "label": ">50K"}, "id"),
        ({"id": 7, "label": ">50K"}, "id"),
        ({"id": "x" * 257, "label": ">50K"}, "id"),
        ({"id": "a", "labels": ">50K"}, "labels"),
        ({"id": "a", "labels": [">50K", "rich"]}, "labels[1]"),
        ({"id": "a", "label": {"class": ">50K"}}, "label"),
        ({"id": "a", "label": 10**400}, "label"),
        ({"id": "a", "label": ">50K", "row": -1}, "row"),
        ({"id": "a", "label": ">50K", "row": 2**40}, "row"),
        ({"id": "a", "label": ">50K", "row": "0"}, "row"),
        ({"id": "a", "label": ">50K", "row": True}, "row"),
        ({"id": "a", "label": ">50K", "time": "now"}, "time"),
        ({"id": "a", "label": ">50K", "time": 1e300}, "time"),
        ({"id": "a", "label": ">50K", "annotator": 1}, "annotator"),
        ({"id": "a", "label": ">50K", "annotator": "x" * 129}, "annotator"),
        ({"id": "a", "label": ">50K", "Row": 1}, "Row"),
        ([GOOD, {"id": "a", "label": "rich"}], "[1].label"),
        ([{"id": "a", "labels": [">50K"] * 60_000}] * 2, "labels"),
    ],
)
def test_wrong_feedback_names_its_field_and_stores_nothing(served: Site, body: Any, field: str) -> None:
    before = stored(served)
    reply = served.client.post("/feedback", json=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["field"] == field, reply.text
    assert reply.json()["error"].startswith(field)
    assert len(reply.text) < 500
    assert stored(served) == before


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff\xfe\x00", b'{"id": "a", "label": NaN}', b'{"id": "a", "label": 1e999}',
        b'{"id": "\\ud800", "label": ">50K"}', b'{"id": "a\\u0000", "label": ">50K"}', b"[" * 100_000,
        b"9" * 5000, b"null",
    ],
)  # fmt: skip
def test_what_is_no_storable_json_is_refused(served: Site, data: bytes) -> None:
    before = stored(served)
    reply = served.client.post("/feedback", content=data, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400, reply.text
    assert reply.json()["field"] == "body"
    assert stored(served) == before


def test_escapes_that_only_look_like_surrogates_are_text(served: Site) -> None:
    for text in ("\\u0000", "\\ud800", "😀"):
        body = json.dumps({"id": text, "label": ">50K"})
        reply = served.client.post(
            "/feedback", content=body, headers={"Content-Type": "application/json; charset=utf-8"}
        )
        assert reply.status_code == 202, reply.text


def test_a_gzipped_body_is_read(served: Site) -> None:
    data = gzip.compress(json.dumps(GOOD).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert served.client.post("/feedback", content=data, headers=headers).status_code == 202


def test_labels_that_come_first_are_joined_later(served: Site) -> None:
    rows = MODEL.rows(30, 77)
    assert served.client.post("/feedback", json={"id": "early", "labels": label_list(rows)}).status_code == 202
    assert served.predict(30, "early", seed=77).status_code == 200
    served.settle()
    found = served.client.get("/api/predictions/early").json()
    assert [row["label"] for row in found] == label_list(rows)
