"""The committed document is that of the code, and of the running server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.http.sites import Site

from vedette.http.openapi import document

COMMITTED = Path(__file__).parents[2] / "specs/openapi.json"


def test_the_committed_document_is_current() -> None:
    """Written by `python -m vedette.http.openapi > specs/openapi.json`."""
    assert COMMITTED.read_text() == document()


def test_the_server_gives_the_same_paths(served: Site) -> None:
    assert served.client.get("/openapi.json").json()["paths"] == json.loads(document())["paths"]


def test_every_operation_is_described_and_shows_its_errors() -> None:
    for path, methods in json.loads(document())["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            if method == "post":
                assert operation["requestBody"]["content"], path
                assert "4XX" in operation["responses"], path


def test_answers_have_the_shapes_that_are_documented(lively: Site) -> None:
    spec = json.loads(document())
    schemas = spec["components"]["schemas"]
    for path in ("monitors", "results", "alerts"):
        content = spec["paths"][f"/api/{path}"]["get"]["responses"]["200"]["content"]["application/json"]
        name = content["schema"]["items"]["$ref"].rpartition("/")[2]
        for item in lively.client.get(f"/api/{path}").json():
            assert set(schemas[name]["properties"]) <= set(item)
