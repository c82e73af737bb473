"""A client of the monitors' HTTP API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from vedette.testing.lab import CheckFailed

Found = TypeVar("Found")
PATIENCE = 60.0  # seconds; a busy machine is no broken platform


class Monitors:
    """api: base of the API."""

    def __init__(self, api: str, http: httpx.Client) -> None:
        self.api = api.rstrip("/")
        self._http = http

    def get(self, path: str, **parameters: Any) -> Any:
        """JSON of a path; CheckFailed where the status is no success."""
        return _checked(self._http.get(f"{self.api}/{path}", params=parameters)).json()

    def monitor(self, name: str) -> dict[str, Any]:
        """A monitor's state."""
        found: dict[str, Any] = next(item for item in self.get("api/monitors") if item["name"] == name)
        return found

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.get("api/status")["counters"]
        return counters

    def results(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("api/results", limit=10_000, **parameters)
        return found

    def prediction(self, request_id: str) -> list[dict[str, Any]]:
        """The stored rows of a request; none while it has not arrived."""
        reply = self._http.get(f"{self.api}/api/predictions/{request_id}")
        return [] if reply.status_code == 404 else list(_checked(reply).json())

    def feedback(self, items: Sequence[Mapping[str, Any]]) -> None:
        reply = self._http.post(f"{self.api}/feedback", json=list(items))
        if reply.status_code != 202:
            raise CheckFailed(f"feedback: status {reply.status_code}, not 202: {reply.text[:300]}")

    def explain(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        reply = _checked(self._http.post(f"{self.api}/explain", json=dict(body), timeout=90.0))
        return list(reply.json()["explanations"])

    def metrics(self) -> dict[str, float]:
        """What Prometheus would read: the series without labels."""
        text = _checked(self._http.get(f"{self.api}/metrics")).text
        lines = [line.split() for line in text.splitlines() if line and line[0] != "#" and "{" not in line]
        return {name: float(value) for name, value in lines}


def wait_for(look: Callable[[], Found], what: Callable[[], str], seconds: float | None = None) -> Found:
    """The first true answer of `look`; CheckFailed with `what()` where there is none in time.

    A monitor that is starting or stopping may not answer: that is looked at again too.  seconds: PATIENCE by default.
    """
    seconds = PATIENCE if seconds is None else seconds
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := look():
                return found
        except (httpx.TransportError, CheckFailed) as error:
            if time.monotonic() > deadline:
                raise CheckFailed(f"not within {seconds:g} s: {error}") from error
        if time.monotonic() > deadline:
            raise CheckFailed(f"not within {seconds:g} s: {what()}")
        time.sleep(0.1)


def _checked(reply: httpx.Response) -> httpx.Response:
    if not reply.is_success:
        raise CheckFailed(f"{reply.request.url.path}: status {reply.status_code}: {reply.text[:300]}")
    return reply
