"""Clients: one that asks for predictions at a steady rate, one that sends the labels later."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from model import Array

LABELS_AT_ONCE = 50


@dataclass
class Sent:
    """What a client saw, row by row: latency, time of the answer, request id, predicted class."""

    seconds: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)


class Labels:
    """Sends what row i showed, some seconds after its prediction, in a thread of its own."""

    def __init__(self, url: str, shown: Sequence[Any], delay: float) -> None:
        self.url = url
        self.shown = shown
        self.delay = delay
        self._waiting: queue.Queue[tuple[float, str, int] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, request_id: str, row: int) -> None:
        self._waiting.put((time.monotonic() + self.delay, request_id, row))

    def finish(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        items: list[dict[str, Any]] = []
        with httpx.Client(trust_env=False, timeout=30.0) as client:
            while (waiting := self._waiting.get()) is not None:
                due, request_id, row = waiting
                time.sleep(max(0.0, due - time.monotonic()))
                items.append({"id": request_id, "labels": [str(self.shown[row])]})
                if len(items) == LABELS_AT_ONCE:
                    client.post(self.url, json=items).raise_for_status()
                    items = []
            if items:
                client.post(self.url, json=items).raise_for_status()


class Traffic:
    """One row a request. labels: told of every answered row."""

    def __init__(self, url: str, labels: Labels | None = None) -> None:
        self.url = url
        self.labels = labels

    def send(self, rows: Array, rate: float) -> Sent:
        sent = Sent()
        begin = time.monotonic()
        with httpx.Client(trust_env=False, timeout=30.0) as client:
            for i, row in enumerate(rows):
                time.sleep(max(0.0, begin + i / rate - time.monotonic()))
                before = time.perf_counter()
                answer = client.post(self.url, json={"instances": [row.tolist()]}).raise_for_status()
                sent.seconds.append(time.perf_counter() - before)
                sent.times.append(time.time())
                sent.ids.append(answer.headers["x-request-id"])
                sent.predictions.append(answer.json()["predictions"][0])
                if self.labels is not None:
                    self.labels.add(sent.ids[-1], i)
        return sent
