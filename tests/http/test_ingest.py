"""api/tap and api/ingest: a tap in another process ships its batches here, once and for all."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.http.sites import MODEL, YAML, Site, serving, site

from vedette.engine.message import Message
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import Busy, HttpTransport, Refused, TransportError
from vedette.http import create_app

BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, with_model=False) as found:
        yield found


def message(seq: int = 1, producer: str | None = None) -> bytes:
    batch = MODEL.rows(50, 3).replace(labels=None)
    batch = batch.replace(times=batch.times * 0 + time.time())  # type: ignore[operator]
    low = time.time()
    return Message(producer or uuid.uuid4().hex, seq, low, batch.to_bytes(), 50, {"captured": 50}).to_bytes()


def rows_of(found: Site) -> int:
    found.embedded.runtime.finish(time.time())
    return int(found.client.get("/api/monitors").json()[1]["rows"])


def test_a_tap_ships_rows_over_http(here: Site) -> None:
    tap = Tap(HttpTransport(here.url))
    try:
        rows = MODEL.rows(300, 4).replace(labels=None, times=None)
        tap.offer_batch(rows)
        assert tap.flush(10.0)
        counters = tap.counters()
    finally:
        tap.close()
    assert counters["delivered_rows"] == 300
    assert rows_of(here) == 300
    assert len(here.client.get("/api/predictions/r-4-17").json()) == 1


def test_describe_gives_the_plan(here: Site) -> None:
    transport = HttpTransport(here.url)
    assert transport.describe() == here.embedded.service.tap_plan()
    transport.close()


def test_a_message_that_comes_twice_counts_once(here: Site) -> None:
    data = message()
    transport = HttpTransport(here.url)
    for _ in range(3):
        transport.send("default", data, 5.0)
    transport.close()
    assert rows_of(here) == 50
    assert here.client.get("/api/status").json()["counters"]["duplicates_suppressed"] == 2


def test_what_is_no_message_is_refused_for_good(here: Site) -> None:
    transport = HttpTransport(here.url)
    for data in (
        b"",
        b"garbage",
        message()[:-40],
        b"VDT1\xff\xff\xff\xff",
        Message("p", 1, 0.0, b"junk", 3).to_bytes(),
    ):
        with pytest.raises(Refused):
            transport.send("default", data, 5.0)
    with pytest.raises(TransportError, match="does not exist; there are: default"):
        transport.send("heavy", message(), 5.0)
    transport.close()
    assert rows_of(here) == 0


def test_an_application_without_workers_takes_no_batches(here: Site) -> None:
    with serving(create_app(here.embedded.service)) as url:
        reply = httpx.post(f"{url}/api/ingest/default", content=message(), headers=BINARY, trust_env=False)
    assert (reply.status_code, reply.json()["field"]) == (404, "pool")


class Behind:
    """A worker that is behind, as real ones say it."""

    def apply(self, data: bytes) -> None:
        raise Busy(1.5)


def app_with(found: Site, worker: Any) -> FastAPI:
    return create_app(found.embedded.service, workers={"default": worker})


def test_a_worker_that_is_behind_asks_to_come_back(here: Site) -> None:
    with serving(app_with(here, Behind())) as url:
        reply = httpx.post(f"{url}/api/ingest/default", content=b"x", headers=BINARY, trust_env=False)
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1.5")
        with pytest.raises(Busy) as caught, closing(HttpTransport(url)) as transport:
            transport.send("default", b"x", 5.0)
    assert caught.value.retry_after == 1.5
    assert not caught.value.arrived


def test_a_worker_that_is_closed_is_busy(here: Site) -> None:
    here.embedded.runtime.close()
    with pytest.raises(Busy), closing(HttpTransport(here.url)) as transport:
        transport.send("default", message(), 5.0)


def test_with_a_token(tmp_path: Path) -> None:
    with site(tmp_path, YAML + "server: {tokens: secret-0123456789}\n", with_model=False) as found:
        with pytest.raises(TransportError, match="401"), closing(HttpTransport(found.url)) as stranger:
            stranger.describe()
        transport = HttpTransport(found.url, token="secret-0123456789")
        assert transport.describe().pools == ("default",)
        transport.send("default", message(), 5.0)
        transport.close()
        headers = {"Authorization": "Bearer secret-0123456789"}
        found.embedded.runtime.finish(time.time())
        assert found.client.get("/api/monitors", headers=headers).json()[1]["rows"] == 50
