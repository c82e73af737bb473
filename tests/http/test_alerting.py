"""Silences and acknowledgements over HTTP, on the page, and by the commands; `vedette test-alert`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.http.sites import YAML, Site, label_list, site, write_config
from tests.http.test_commands import run

SILENCE = {"rule": "performance", "for": "2h", "reason": "a <trial>", "by": "kim"}


@pytest.fixture(scope="module")
def firing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """A site whose rule `performance` fires in region=north, since every label is wrong."""
    from tests.http.sites import MODEL

    folder = tmp_path_factory.mktemp("firing")
    with site(folder) as found:
        found.predict(100, "bad", "north", seed=3)
        wrong = ["<=50K" if label == ">50K" else ">50K" for label in label_list(MODEL.rows(100, 3))]
        found.client.post("/feedback", json={"id": "bad", "labels": wrong})
        found.settle()
        yield found, folder / "monitors.yaml"


def end_all(site: Site) -> None:
    for item in site.client.get("/api/silences").json():
        assert site.client.delete(f"/api/silences/{item['id']}").status_code == 200


def live(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.client.get("/api/alerts?live=true").json()
    return found


def test_a_silence_is_made_shown_and_ended(firing: tuple[Site, Path]) -> None:
    site, _ = firing
    made = site.client.post("/api/silences", json=SILENCE)
    assert made.status_code == 201
    body = made.json()
    assert (body["rule"], body["segment"], body["active"], body["by"]) == ("performance", None, True, "kim")
    assert body["until"] - body["created"] == pytest.approx(7200.0)
    assert [s["id"] for s in site.client.get("/api/silences").json()] == [body["id"]]
    assert [a["silenced"] for a in live(site)] == [body["id"]]
    assert "silenced" in site.client.get("/").text
    ended = site.client.delete(f"/api/silences/{body['id']}").json()
    assert (ended["active"], ended["ended"] is not None) == (False, True)
    assert site.client.get("/api/silences").json() == []
    assert body["id"] in [s["id"] for s in site.client.get("/api/silences?over=true").json()]
    assert site.client.delete("/api/silences/none").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**SILENCE, "rule": "performanc"}, "rule"), ({**SILENCE, "for": "2 hours"}, "for"), ([], "body"),
        ({**SILENCE, "reason": None}, "reason"), ({**SILENCE, "until": 5}, "until"),
    ],
)  # fmt: skip
def test_a_wrong_silence_names_its_field(firing: tuple[Site, Path], body: Any, field: str) -> None:
    site, _ = firing
    reply = site.client.post("/api/silences", json=body)
    assert (reply.status_code, reply.json()["field"]) == (400, field)


def test_an_acknowledgement_is_shown_everywhere(firing: tuple[Site, Path]) -> None:
    site, config = firing
    path = "/api/alerts/performance/acknowledge"
    reply = site.client.post(path, json={"segment": "region=north", "by": "kim", "note": "on <it>"})
    assert reply.status_code == 200
    assert reply.json()["acknowledged"]["note"] == "on <it>"
    assert [a["acknowledged"]["by"] for a in live(site)] == ["kim"]
    page = site.client.get("/").text
    assert "acknowledged by kim: on &lt;it&gt;" in page
    shown = run("status", "--store", f"sqlite:///{config.parent / 'vedette.db'}").stdout
    assert "acknowledged by kim" in " ".join(shown.split())
    assert site.client.post(path, json={"by": "kim"}).status_code == 404
    assert site.client.post("/api/alerts/nothing/acknowledge", json={"by": "kim"}).status_code == 400


@pytest.mark.parametrize("remote", [True, False])
def test_the_command_works_on_the_store_and_on_a_server(firing: tuple[Site, Path], remote: bool) -> None:
    site, config = firing
    end_all(site)
    where = ("--url", site.url) if remote else ()
    said = ("--rule", "performance", "--segment", "region=north", "--for", "1h", "--reason", "known", "--by", "ann")
    made = json.loads(run("silence", config, *said, "--json", *where).stdout)[0]
    assert (made["segment"], made["by"]) == ("region=north", "ann")
    assert [a["silenced"] for a in live(site)] == [made["id"]]
    listed = run("silence", config, "--list", *where).stdout
    assert f"{made['id']}  performance, region=north  until" in listed
    assert "known (ann)" in listed
    assert "over" in run("silence", config, "--end", made["id"], *where).stdout
    assert "No silence is active" in run("silence", config, "--list", *where).stdout
    run("silence", config, "--end", "none", *where, code=1)


def test_the_command_says_what_is_missing(firing: tuple[Site, Path]) -> None:
    _, config = firing
    assert "exactly one of" in run("silence", config, code=2).output
    rule = ("--rule", "drift")
    assert "--rule needs --for and --reason" in run("silence", config, *rule, code=2).output
    assert "--rule needs --reason" in run("silence", config, *rule, "--for", "1h", code=2).output
    assert "--rule needs --for " in run("silence", config, *rule, "--reason", "x", code=2).output
    wrong = run("silence", config, "--rule", "drifts", "--for", "1h", "--reason", "x", code=2)
    assert "did you mean 'drift'" in str(wrong.exception)


def test_writing_needs_its_scope(tmp_path: Path) -> None:
    tokens = 'server: {tokens: {read: ["reader"], write: ["writer"]}}\n'
    with site(tmp_path, YAML + tokens) as found:
        read, write = ({"Authorization": f"Bearer {name}"} for name in ("reader", "writer"))
        assert found.client.get("/api/silences", headers=read).status_code == 200
        assert found.client.get("/api/silences").status_code == 401
        assert found.client.post("/api/silences", json=SILENCE, headers=read).status_code == 403
        made = found.client.post("/api/silences", json=SILENCE, headers=write)
        assert made.status_code == 201
        path = f"/api/silences/{made.json()['id']}"
        assert found.client.delete(path, headers=read).status_code == 403
        assert found.client.delete(path, headers=write).status_code == 200
        acknowledge = "/api/alerts/drift/acknowledge"
        assert found.client.post(acknowledge, json={"by": "kim"}, headers=read).status_code == 403
        assert found.client.post(acknowledge, json={"by": "kim"}, headers=write).status_code == 404


class Receiver(BaseHTTPRequestHandler):
    got: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_test_alert_sends_and_says_which_sinks_failed(tmp_path: Path, receiver: str) -> None:
    sinks = f"""
sinks:
  pager: {{use: webhook, url: "{receiver}/ok", events: [alert], severity: [page]}}
  broken: {{use: webhook, url: "{receiver}/broken"}}
  numbers: {{use: webhook, url: "{receiver}/ok", events: [result]}}
  quiet: {{use: webhook, url: "{receiver}/ok", severity: [info]}}
"""
    path = write_config(tmp_path, YAML + sinks)
    Receiver.got.clear()
    result = run("test-alert", path, "--json", code=1)
    assert result.exit_code == 1
    found = {item["sink"]: item for item in json.loads(result.stdout)}
    assert {name: item["outcome"] for name, item in found.items()} == {
        "pager": "sent", "broken": "failed", "numbers": "not wanted", "quiet": "not wanted",
    }  # fmt: skip
    assert "500" in found["broken"]["reason"]
    event = Receiver.got[0]
    assert (event["kind"], event["model"], event["payload"]["state"]) == ("alert", "income", "firing")
    assert event["payload"]["details"]["test"] is True
    assert len(Receiver.got) == 2
    assert not (tmp_path / "vedette.db").exists()


def test_test_alert_without_sinks_or_with_good_ones(tmp_path: Path, receiver: str) -> None:
    path = write_config(tmp_path)
    assert "no sinks" in str(run("test-alert", path, code=2).exception)
    path.write_text(path.read_text() + f'sinks: {{pager: {{use: webhook, url: "{receiver}/ok"}}}}\n')
    assert "pager (webhook)  sent" in run("test-alert", path).stdout
    assert run("test-alert", path, "--severity", "loud", code=2).exit_code == 2
