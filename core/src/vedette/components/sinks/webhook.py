"""Events by HTTP POST."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx

from vedette_specs import Event, Sink

KNATIVE_TYPES = {"drift": "io.seldon.serving.inference.drift", "outlier": "io.seldon.serving.inference.outlier"}


class WebhookError(RuntimeError):
    """The receiver did not accept an event; it is sent again later."""


class Webhook(Sink):
    """POSTs each event; anything but a 2xx answer raises, so that the event is tried again.

    The header `Idempotency-Key` is the event's id: a receiver drops what it has seen.

    url: where to, http or https.
    timeout: seconds for connecting, and for each read and write.
    headers: further headers.
    token: sent as bearer token; never shown.
    cloudevents: send a CloudEvent 1.0 (binary mode) whose data is the event's payload, instead of the event as JSON.
    type: the CloudEvent's type. By default results of drift and outlier detectors have the types that Knative
        triggers of Seldon and KServe filter on, and others `io.vedette.<kind>`.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 10.0,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        cloudevents: bool = False,
        type: str | None = None,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("url: is not of the form http://host/path or https://host/path")
        if timeout <= 0:
            raise ValueError(f"timeout: {timeout} is not above 0 seconds")
        self.url = url
        self.timeout = timeout
        self.headers = headers
        self.token = token
        self.cloudevents = cloudevents
        self.type = type
        self._client = httpx.Client(timeout=timeout)

    def __repr__(self) -> str:
        return f"Webhook(host={urlsplit(self.url).hostname!r}, cloudevents={self.cloudevents})"

    def emit(self, event: Event) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id, **(self.headers or {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = event.to_json()
        if self.cloudevents:
            headers |= self._attributes(event)
            body = body["payload"]
        response = self._client.post(self.url, content=json.dumps(body, default=str), headers=headers)
        if not response.is_success:
            host = urlsplit(self.url).hostname
            raise WebhookError(f"{host} answered {response.status_code} to event {event.id}: {response.text[:200]!r}")

    def close(self) -> None:
        self._client.close()

    def _attributes(self, event: Event) -> dict[str, str]:
        kind = str(event.payload.get("component_kind", "")) if event.kind == "result" else ""
        attributes = {
            "specversion": "1.0",
            "id": event.id,
            "type": self.type or KNATIVE_TYPES.get(kind, f"io.vedette.{event.kind}"),
            "source": f"/vedette/{quote(event.model)}",
            "subject": quote(event.monitor),
            "time": datetime.fromtimestamp(event.time, UTC).isoformat(),
            "segment": quote(event.segment),
        }
        return {f"ce-{name}": value for name, value in attributes.items() if value}
