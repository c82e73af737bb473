"""The webhook sink against a real HTTP server."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from vedette.components.sinks.webhook import Webhook, WebhookError
from vedette.testing import Subject, check_component


def test_conformance(receiver) -> None:
    outcomes = check_component(Subject(Webhook(receiver.url), delivered=lambda: receiver.keys))
    assert outcomes["an_event_is_delivered_once"] == "passed"


def test_the_event_is_posted_as_json(receiver, make_event) -> None:
    sink = Webhook(receiver.url, token="t0p", headers={"X-Team": "risk"})
    event = make_event(state="firing", value=float("nan"))
    sink.emit(event)
    sink.close()
    ((path, headers, body),) = receiver.requests
    assert path == "/hooks?key=secret"
    assert json.loads(body) == event.to_json()
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "e-1"
    assert headers["authorization"] == "Bearer t0p"
    assert headers["x-team"] == "risk"
    assert "ce-id" not in headers


def test_a_cloudevent_carries_the_payload(receiver, make_event) -> None:
    sink = Webhook(receiver.url, cloudevents=True)
    sink.emit(make_event(state="firing"))
    sink.close()
    ((_, headers, body),) = receiver.requests
    assert json.loads(body) == {"state": "firing"}
    assert {k: v for k, v in headers.items() if k.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-type": "io.vedette.alert",
        "ce-source": "/vedette/income%20model",
        "ce-subject": "drift",
        "ce-time": "2023-11-14T22:13:20.500000+00:00",
        "ce-segment": "region%3Dnorth",
    }


@pytest.mark.parametrize(
    ("kind", "component", "given", "expected"),
    [
        ("result", "drift", None, "io.seldon.serving.inference.drift"),
        ("result", "outlier", None, "io.seldon.serving.inference.outlier"),
        ("result", "metric", None, "io.vedette.result"),
        ("alert", "drift", None, "io.vedette.alert"),
        ("result", "drift", "org.kubeflow.serving.inference.drift", "org.kubeflow.serving.inference.drift"),
    ],
)
def test_cloudevents_have_the_types_that_triggers_use(receiver, make_event, kind, component, given, expected) -> None:
    sink = Webhook(receiver.url, cloudevents=True, type=given)
    sink.emit(make_event("e", kind, component_kind=component))
    sink.close()
    assert receiver.requests[0][1]["ce-type"] == expected


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_what_is_not_accepted_raises_without_the_url(receiver, make_event, status: int) -> None:
    receiver.status = status
    sink = Webhook(receiver.url)
    with pytest.raises(WebhookError, match=f"127.0.0.1 answered {status} to event e-1") as caught:
        sink.emit(make_event())
    sink.close()
    assert "secret" not in str(caught.value)
    assert len(receiver.requests) == 1, "a redirection is not followed, a failure not retried here"


def test_a_receiver_that_is_slow_raises(receiver, make_event) -> None:
    receiver.delay = 0.5
    sink = Webhook(receiver.url, timeout=0.1)
    with pytest.raises(httpx.TimeoutException):
        sink.emit(make_event())
    sink.close()


def test_a_receiver_that_is_gone_raises(make_event) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = Webhook(f"http://127.0.0.1:{port}/")
    with pytest.raises(httpx.ConnectError):
        sink.emit(make_event())
    sink.close()


@pytest.mark.parametrize("url", ["", "example.org/x", "ftp://example.org", "http://", "file:///etc/passwd"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url: is not of the form"):
        Webhook(url)


def test_a_timeout_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"timeout: 0\.0 is not above 0"):
        Webhook("http://example.org", timeout=0.0)


def test_secrets_are_not_shown() -> None:
    shown = repr(Webhook("https://user:pass@example.org/T0/secret", token="t0p", headers={"X-Key": "k3y"}))
    assert shown == "Webhook(host='example.org', cloudevents=False)"


def test_a_clone_sends_with_its_own_connection(receiver, make_event) -> None:
    sink = Webhook(receiver.url)
    clone = sink.clone()
    sink.close()
    clone.emit(make_event("from the clone"))
    clone.close()
    assert receiver.keys == ["from the clone"]
