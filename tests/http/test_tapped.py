"""A tapped ASGI application answers as before, says its request's id, and its rows arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.tap.transports import Wire

from vedette.engine.tap.lazy import LazyTap
from vedette.http.tapped import Tapped

BODY = {"instances": [{"age": 3, "work": "a"}, {"age": 5, "work": "b"}]}


async def predict(request: Request) -> Response:
    found = await request.json()
    if "instances" not in found:
        return PlainTextResponse("no instances", status_code=400)
    return JSONResponse({"predictions": [">50K"] * len(found["instances"])}, headers={"x-own": "kept"})


async def stream(request: Request) -> Response:
    await request.body()
    return StreamingResponse(iter([b'{"predictions": [">50K",', b' "<=50K"]}']), media_type="application/json")


async def fail(request: Request) -> Response:
    await request.body()
    raise ZeroDivisionError("the model's own")


ENDPOINTS = (("/p", predict), ("/s", stream), ("/f", fail))
plain = Starlette(routes=[Route(path, call, methods=["POST"]) for path, call in ENDPOINTS])


class Client:
    def __init__(self, app: Any) -> None:
        self.app = app

    def post(self, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
                return await client.post(path, **options)

        return asyncio.run(asked())


class Site:
    def __init__(self, **options: Any) -> None:
        self.wire = Wire()
        self.tap = LazyTap(lambda: self.wire)
        self.client = Client(Tapped(plain, self.tap, ["/p", "/s", "/f"], **options))

    def batches(self) -> Any:
        assert self.tap.tap.flush(5.0)
        return self.wire["default"].batches()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.tap.close()


def same(left: Any, right: Any) -> bool:
    kept = [pair for pair in left.headers.items() if pair[0] != "x-request-id"]
    return bool(
        (left.status_code, left.content, kept) == (right.status_code, right.content, list(right.headers.items()))
    )


def test_answers_are_as_before_and_rows_arrive(site: Site) -> None:
    before = Client(plain)
    for path in ("/p", "/s"):
        assert same(site.client.post(path, json=BODY), before.post(path, json=BODY))
    assert [float(v) for batch in site.batches() for v in batch.inputs["age"].values] == [3.0, 5.0, 3.0, 5.0]
    answers = [v for batch in site.batches() for v in batch.prediction.to_list()]
    assert answers == [">50K", ">50K", ">50K", "<=50K"]


def test_the_id_is_the_clients_or_a_minted_one_that_the_response_tells(site: Site) -> None:
    mine = site.client.post("/p", json=BODY, headers={"X-Request-Id": "r-1"}).headers["x-request-id"]
    minted = site.client.post("/p", json=BODY).headers["x-request-id"]
    assert mine == "r-1"
    assert minted.startswith(site.tap.tap.producer)
    assert [str(i) for batch in site.batches() for i in batch.ids] == ["r-1", "r-1", minted, minted]


def test_strict_answers_tell_no_id() -> None:
    strict = Site(request_ids=False)
    answer = strict.client.post("/p", json=BODY)
    assert answer.headers.items() == Client(plain).post("/p", json=BODY).headers.items()
    assert sum(map(len, strict.batches())) == 2
    strict.tap.close()


def test_errors_other_paths_and_explainers_are_no_predictions(site: Site) -> None:
    assert site.client.post("/p", json={}).status_code == 400
    assert site.client.post("/nowhere", json=BODY).status_code == 404
    site.client.post("/p", json=BODY, headers={"Seldon-Skip-Logging": "true"})
    site.client.post("/p", json=BODY)
    assert sum(map(len, site.batches())) == 2


def test_a_call_whose_application_raises_is_counted_as_failed(site: Site) -> None:
    site.client.post("/p", json={})
    with pytest.raises(ZeroDivisionError, match="the model's own"):
        site.client.post("/f", json=BODY)
    site.client.post("/p", json=BODY)
    assert sum(map(len, site.batches())) == 2
    assert site.tap.tap.counters()["failed_calls"] == 2


def test_a_tap_that_cannot_be_made_costs_rows_only(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> Any:
        raise RuntimeError("no monitors")

    client = Client(Tapped(plain, LazyTap(refuse), ["/p"]))
    answers = [client.post("/p", json=BODY) for _ in range(3)]
    assert [json.loads(answer.content)["predictions"] for answer in answers] == [[">50K", ">50K"]] * 3
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert [record.message for record in caplog.records if "monitored" in record.message] == [
        "predictions of this process are not all monitored: RuntimeError: no monitors"
    ]
