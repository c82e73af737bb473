"""When the store goes away: 503 everywhere, and everything works again when it is back."""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.http.sites import MODEL, Site, site

from vedette.engine.message import Message
from vedette.engine.tap.transport import HttpTransport, TransportError

ROW = {"id": "a", "label": ">50K"}


def close_doors(url: str, shut: bool) -> None:
    """Let nobody into a database, and throw out who is in it; or let them in again."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        allowed = sql.SQL("false" if shut else "true")
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), allowed))
        if shut:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_reads_and_writes_say_503_and_recover(
    tmp_path: Path, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with site(tmp_path, store=postgres_url) as found:
        assert found.client.post("/feedback", json=ROW).status_code == 202
        close_doors(postgres_url, True)
        try:
            _all_say_503(found)
        finally:
            close_doors(postgres_url, False)
        assert found.client.get("/healthz").status_code == 200
        assert found.client.post("/feedback", json=ROW).status_code == 202
        assert found.client.get("/api/status").json()["counters"]["labels_pending"] == 2


def _all_say_503(found: Site) -> None:
    for path in ("/", "/healthz", "/api/monitors", "/api/results", "/api/status", "/metrics"):
        reply = found.client.get(path)
        assert reply.status_code == 503, (path, reply.text)
        assert reply.json() == {"error": "the store does not answer"}
        assert reply.headers["retry-after"]
    assert found.client.post("/feedback", json=ROW).status_code == 503
    assert found.predict(1).status_code == 200, "the model never suffers"
    batch = MODEL.rows(5).replace(labels=None).to_bytes()
    data = Message(uuid.uuid4().hex, 1, time.time(), batch, 5).to_bytes()
    transport = HttpTransport(found.url)
    with pytest.raises(TransportError) as caught:
        transport.send("default", data, 20.0)
    transport.close()
    assert caught.value.arrived, "what may have been committed is unknown, not refused"


def test_a_text_that_the_store_cannot_hold(tmp_path: Path, postgres_url: str) -> None:
    with site(tmp_path, store=postgres_url) as found:
        reply = found.client.get("/api/predictions/a%00b")
        assert reply.status_code == 400, reply.text
        assert "cannot be stored" in reply.json()["error"]
