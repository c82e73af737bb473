"""Bearer tokens: who is let in, and what strangers are told."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from tests.http.sites import YAML, Site, site

TOKENS = """
server:
  tokens:
    read: [reader-0123456789, all-0123456789]
    write: [writer-0123456789, all-0123456789]
    explain: [explainer-0123456789, all-0123456789]
"""
LABEL = {"id": "a", "label": ">50K"}
ROW = {"instances": [{"age": 40, "hours": 40, "balance": 1, "sector": "public"}]}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("guarded"), YAML + TOKENS) as found:
        yield found


CALLS = [
    ("GET", "/", "read"),
    ("GET", "/api/monitors", "read"),
    ("GET", "/api/results", "read"),
    ("GET", "/api/alerts", "read"),
    ("GET", "/api/predictions/a", "read"),
    ("GET", "/api/explanations", "read"),
    ("GET", "/api/status", "read"),
    ("GET", "/metrics", "read"),
    ("GET", "/v2/models/income", "read"),
    ("GET", "/api/tap", "write"),
    ("POST", "/api/ingest/default", "write"),
    ("POST", "/feedback", "write"),
    ("POST", "/predict", "write"),
    ("POST", "/v1/models/income:predict", "write"),
    ("POST", "/v2/models/income/infer", "write"),
    ("POST", "/explain", "explain"),
    ("POST", "/explain/why", "explain"),
    ("POST", "/v1/models/income:explain", "explain"),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_each_call_needs_its_scope(guarded: Site, method: str, path: str, scope: str) -> None:
    def ask(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        reply = guarded.client.request(method, path, headers=headers)
        if reply.status_code in (401, 403):
            challenge = reply.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="vedette"')
            assert reply.json()["error"]
            assert (f'scope="{scope}"' in challenge) == (reply.status_code == 403)
        return reply.status_code

    assert ask(None) == 401
    assert ask("wrong-0123456789") == 401
    for owner in ("reader", "writer", "explainer"):
        expected = {"reader": "read", "writer": "write", "explainer": "explain"}[owner] == scope
        assert (ask(f"{owner}-0123456789") not in (401, 403)) == expected
    assert ask("all-0123456789") not in (401, 403)


def test_every_path_that_is_served_is_guarded_or_meant_to_be_open(guarded: Site) -> None:
    """A new endpoint without a scope would let anybody in."""
    paths = guarded.client.get("/openapi.json").json()["paths"]
    open_to_all = {"/healthz", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}/ready",
                   "/v1/models/{model}"}  # fmt: skip
    for path, methods in paths.items():
        for method in methods:
            url = path.replace("{model}", "income").replace("{id}", "a").replace("{pool}", "default")
            status = guarded.client.request(method, url.replace("{explainer}", "why")).status_code
            assert (status != 401) == (path in open_to_all), (method, path, status)


def test_the_scope_is_named_to_whom_it_lacks(guarded: Site) -> None:
    reply = guarded.client.post("/feedback", json=LABEL, headers={"Authorization": "Bearer reader-0123456789"})
    assert (reply.status_code, reply.json()) == (403, {"error": "the token lacks the scope 'write'"})


@pytest.mark.parametrize(
    "header",
    [b"Bearer", b"bearer reader-0123456789x", b"Token reader-0123456789", b"Basic !!!", b"Basic", b"\xff"],
)
def test_malformed_authorization(guarded: Site, header: bytes) -> None:
    reply = guarded.client.get("/api/monitors", headers=[(b"Authorization", header)])
    assert reply.status_code == 401


def test_the_scheme_is_read_in_any_case(guarded: Site) -> None:
    assert guarded.client.get("/api/monitors", headers={"Authorization": "bEARER reader-0123456789"}).is_success


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode()}


def test_browsers_may_give_the_token_as_a_password_to_read_only(guarded: Site) -> None:
    asked = guarded.client.get("/", headers={"Accept": "text/html"})
    assert asked.status_code == 401
    assert "Basic realm=" in asked.headers["www-authenticate"]
    assert guarded.client.get("/", headers=basic("reader-0123456789")).status_code == 200
    assert guarded.client.get("/", headers=basic("writer-0123456789")).status_code == 403
    assert guarded.client.post("/feedback", json=LABEL, headers=basic("writer-0123456789")).status_code == 401


def test_nothing_is_read_of_a_stranger_s_body(guarded: Site) -> None:
    reply = guarded.client.post("/feedback", content=b"x" * 1000, headers={"Content-Type": "text/plain"})
    assert reply.status_code == 401


def test_health_is_open_and_says_no_more(guarded: Site) -> None:
    assert guarded.client.get("/healthz").json() == {"status": "ok"}


def test_no_answer_holds_a_token(guarded: Site) -> None:
    headers = {"Authorization": "Bearer all-0123456789"}
    for path in ("/", "/api/monitors", "/api/status", "/api/tap", "/metrics", "/openapi.json"):
        assert "0123456789" not in guarded.client.get(path, headers=headers).text


def test_strangers_hear_of_their_token_before_their_query(guarded: Site) -> None:
    assert guarded.client.get("/api/results?mointor=drift").status_code == 401
    headers = {"Authorization": "Bearer reader-0123456789"}
    assert guarded.client.get("/api/results?mointor=drift", headers=headers).status_code == 422
