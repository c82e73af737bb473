"""Bodies are bounded, also where they hide their size; content that is not taken is refused before it is read."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest
from tests.http.sites import YAML, Site, site

LIMIT = 4096


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    text = YAML + "server: {max_body: 4 KiB}\n"
    with site(tmp_path_factory.mktemp("small"), text) as found:
        yield found


JSON = {"Content-Type": "application/json"}
BIG = json.dumps({"id": "a", "labels": [">50K"] * 1000}).encode()
BOMB = gzip.compress(b" " * (64 << 20), mtime=0)


def chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 512):
        yield data[start : start + 512]


@pytest.mark.parametrize("path", ["/feedback", "/explain", "/v1/models/income:predict", "/predict"])
def test_too_large_with_a_length_without_one_or_compressed(small: Site, path: str) -> None:
    for content, headers in (
        (BIG, JSON),
        (chunks(BIG), JSON),
        (gzip.compress(BIG * 10, mtime=0), {**JSON, "Content-Encoding": "gzip"}),
    ):
        reply = small.client.post(path, content=content, headers=headers)
        assert reply.status_code == 413, reply.text
        assert "4096 bytes" in reply.json()["error"]
        assert reply.json()["field"] == "body"


def test_a_gzip_bomb_is_not_unpacked(served: Site) -> None:
    assert len(BOMB) < 100_000
    reply = served.client.post("/feedback", content=BOMB, headers={**JSON, "Content-Encoding": "gzip"})
    assert reply.status_code == 413


def test_what_fits_passes(small: Site) -> None:
    body = json.dumps({"id": "a", "labels": [">50K"] * 500}).encode()
    assert small.client.post("/feedback", content=chunks(body), headers=JSON).status_code == 202


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/feedback", {"Content-Type": "text/plain"}, "content-type"),
        ("/feedback", {"Content-Type": "application/x-www-form-urlencoded"}, "content-type"),
        ("/feedback", {}, "content-type"),
        ("/explain", {"Content-Type": "text/csv"}, "content-type"),
        ("/feedback", {**JSON, "Content-Encoding": "br"}, "content-encoding"),
        ("/api/ingest/default", JSON, "content-type"),
    ],
)
def test_content_that_is_not_taken(served: Site, path: str, headers: dict[str, str], field: str) -> None:
    reply = served.client.post(path, content=b"{}", headers=headers)
    assert reply.status_code == 415, reply.text
    assert reply.json()["field"] == field


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b'{"id": "a"}', mtime=0)[:-6], zlib.compress(b"{}")])
def test_damaged_gzip(served: Site, data: bytes) -> None:
    reply = served.client.post("/feedback", content=data, headers={**JSON, "Content-Encoding": "gzip"})
    assert (reply.status_code, reply.json()["field"]) == (400, "body")


def test_json_of_other_names_is_json(served: Site) -> None:
    headers = {"Content-Type": "application/vnd.labels+json"}
    assert served.client.post("/feedback", content=b'{"id":"a","label":">50K"}', headers=headers).status_code == 202


def test_the_model_reads_what_curl_sends(served: Site) -> None:
    """curl -d calls JSON a form; clients of V1 servers rely on that being read."""
    row = b'{"instances": [{"age": 40, "hours": 40, "balance": 1, "sector": "public"}]}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert served.client.post("/v1/models/income:predict", content=row, headers=headers).status_code == 200
