"""GET api/...: what comes back, and what is said of wrong questions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.http.sites import MODEL, Site

DECLARED = ["performance", "quality", "drift", "outliers"]


def test_monitors_are_those_declared_with_their_latest_results(lively: Site) -> None:
    found = lively.client.get("/api/monitors").json()
    assert [m["name"] for m in found] == DECLARED
    assert {m["status"] for m in found} == {"active"}
    assert {m["rows"] for m in found} == {200}
    by_name = {m["name"]: m for m in found}
    assert by_name["performance"]["labelled_rows"] == 200
    assert by_name["drift"]["latest"]["values"]["drifted"] == 0.0


def test_results_filter_by_monitor_window_segment_and_time(lively: Site) -> None:
    def ask(**query: Any) -> list[dict[str, Any]]:
        reply = lively.client.get("/api/results", params=query)
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json()
        return found

    everything = ask()
    assert {r["monitor"] for r in everything} == set(DECLARED)
    assert [r["end"] for r in everything] == sorted(r["end"] for r in everything)
    assert {r["monitor"] for r in ask(monitor="drift")} == {"drift"}
    assert {r["window"] for r in ask(window="recent")} == {"recent"}
    assert {r["segment"] for r in ask(segment="region=north")} == {"region=north"}
    assert ask(since=time.time() + 100) == []
    assert ask(until=1.0) == []
    assert ask(since="2020-01-01T00:00:00Z") == everything
    assert len(ask(limit=1)) == 1
    assert ask(limit=1) == everything[-1:]


def test_alerts_say_what_fires_and_what_changed(lively: Site) -> None:
    live = lively.client.get("/api/alerts", params={"live": True}).json()
    assert {(a["rule"], a["segment"]) for a in live} >= {("performance", "region=north")}
    changes = lively.client.get("/api/alerts").json()
    assert {a["rule"] for a in changes} >= {"performance"}
    assert lively.client.get("/api/alerts", params={"since": time.time() + 9}).json() == []


def test_a_prediction_is_stored_with_its_label_and_attributes(lively: Site) -> None:
    rows = MODEL.rows(100, 10)
    found = lively.client.get("/api/predictions/live-0").json()
    assert [r["row"] for r in found] == list(range(100))
    assert rows.labels is not None
    assert rows.prediction is not None
    assert [r["label"] for r in found] == rows.labels.to_list()
    assert [r["prediction"] for r in found] == rows.prediction.to_list()
    assert {r["attributes"]["region"] for r in found} == {"north"}


def test_status_counts_what_came_in(lively: Site) -> None:
    found = lively.client.get("/api/status").json()
    assert found["model"] == "income"
    assert found["bundle"].startswith("sha256:")
    assert len(found["replicas"]) == 1
    assert found["counters"]["captured"] == 200
    assert found["counters"]["labels_applied"] == 200


def test_explain_jobs_are_listed(lively: Site) -> None:
    assert lively.client.get("/api/explanations").json() == []


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/results?monitor=nope", 404, "monitor"),
        ("/api/results?window=nope", 404, "window"),
        ("/api/results?monitor=drift&window=nope", 404, "window"),
        ("/api/results?segment=regoin%3Dnorth", 404, "segment"),
        ("/api/results?limit=0", 422, "limit"),
        ("/api/results?limit=many", 422, "limit"),
        ("/api/results?limit=10001", 422, "limit"),
        ("/api/results?since=yesterday", 422, "since"),
        ("/api/results?until=nan", 422, "until"),
        ("/api/results?until=inf", 422, "until"),
        ("/api/results?since=2026-01-02&until=2026-01-01", 422, "since"),
        (f"/api/results?segment={'x' * 300}", 422, "segment"),
        ("/api/alerts?live=perhaps", 422, "live"),
        ("/api/alerts?since=2020-13-01", 422, "since"),
        ("/api/predictions/nothing", 404, "id"),
        ("/api/predictions/%F0%9F%90%8E", 404, "id"),
        (f"/api/predictions/{'x' * 300}", 422, "id"),
        ("/api/explanations?limit=-1", 422, "limit"),
        ("/api/results?mointor=quality", 422, "mointor"),
        ("/api/results?monitor=drift&windw=x", 422, "windw"),
        ("/api/alerts?until=2026-01-01", 422, "until"),
        ("/api/status?limit=1", 422, "limit"),
        ("/api/predictions/nothing?limit=1", 422, "limit"),
        ("/api/silences?ovr=true", 422, "ovr"),
        (f"/api/results?{'x' * 80}=1", 422, "x" * 80),
        ("/nowhere", 404, None),
        ("/feedback", 405, None),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(served: Site, path: str, status: int, field: str | None) -> None:
    reply = served.client.get(path)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == ({"error", "field"} if field else {"error"})
    assert body.get("field") == field
    assert len(reply.text) < 700


def test_a_parameter_that_there_is_not_is_told_with_what_there_is(served: Site) -> None:
    wrong = served.client.get("/api/results?mointor=quality").json()
    assert wrong["error"] == "mointor: there is no such query parameter; did you mean 'monitor'?"
    assert "; allowed: limit, monitor, segment, since, until, window" in served.client.get("/api/results?q=1").text
    assert "; this takes none" in served.client.get("/api/status?q=1").text
    assert served.client.post("/api/silences?q=1", json={}).status_code == 422


@pytest.mark.parametrize("path", ["/?utm_source=mail", "/metrics?format=text"])
def test_browsers_and_scrapers_may_add_parameters(served: Site, path: str) -> None:
    assert served.client.get(path).status_code == 200


def test_the_unknown_monitor_is_told_which_there_are(served: Site) -> None:
    error = served.client.get("/api/results?monitor=nope").json()["error"]
    assert "'nope'" in error
    assert "drift" in error


def test_json_is_strict_whatever_was_computed(lively: Site) -> None:
    def refuse(name: str) -> float:
        raise AssertionError(name)

    for path in ("monitors", "results", "status", "predictions/live-1", "alerts"):
        json.loads(lively.client.get(f"/api/{path}").text, parse_constant=refuse)


def test_health_asks_the_store(served: Site) -> None:
    assert served.client.get("/healthz").json() == {"status": "ok"}
