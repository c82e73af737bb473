"""Labels that a model's process knows itself, posted from a thread of their own."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger("vedette.bentoml")
WAITING = 10_000  # requests whose labels wait; beyond, they are dropped and counted
GROUP = 500
RETRY_AFTER = 2.0
Item = dict[str, Any]
Post = Callable[[list[Item]], None]


class Target(Protocol):
    """Where labels go."""

    def put(self, request: str, labels: list[Any], row: int = 0) -> None: ...

    def close(self, timeout: float) -> None: ...


class Labels:
    """A bounded queue and a thread. post: stores items of feedback; raises OSError where it is worth another try."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.dropped = 0
        self._waiting: queue.Queue[Item] = queue.Queue(WAITING)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @classmethod
    def over_http(cls, base: str, token: str | None) -> Labels:
        """POST {base}/feedback."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

        def post(items: list[Item]) -> None:
            body = json.dumps(items, allow_nan=False).encode()
            request = urllib.request.Request(f"{base.rstrip('/')}/feedback", body, headers)
            try:
                urllib.request.urlopen(request, timeout=10.0).close()
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        raise ValueError(f"feedback was refused: {error.code} {error.read(200)!r}") from error
                    raise

        return cls(post)

    def put(self, request: str, labels: list[Any], row: int = 0) -> None:
        """Never waits. row: that the first of the labels belongs to."""
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait({"id": request, "row": row, "labels": [_plain(label) for label in labels]})
        except queue.Full:
            self.dropped += len(labels)
            if self.dropped == len(labels):
                log.error("labels are dropped: %d requests' wait already", WAITING)

    def close(self, timeout: float) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vedette-labels", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not (self._stop.is_set() and self._waiting.empty()):
            if not (group := self._next()):
                continue
            while not self._posted(group):
                if self._stop.is_set():
                    log.error("labels of %d requests could not be stored before the end", len(group))
                    return
                time.sleep(RETRY_AFTER)

    def _next(self) -> list[Item]:
        group: list[Item] = []
        try:
            group.append(self._waiting.get(timeout=0.2))
            while len(group) < GROUP:
                group.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return group

    def _posted(self, group: list[Item]) -> bool:
        """False where it is worth another try."""
        try:
            self.post(group)
        except (OSError, RuntimeError) as error:
            log.warning("labels could not be stored, they are tried again: %s", error)
            return False
        except Exception as error:
            if len(group) > 1:  # one of them is wrong: the others are not lost with it
                outcomes = [self._posted([item]) for item in group]
                return all(outcomes)
            log.error("labels of request %s are lost: %s", group[0]["id"], error)
        return True


def _plain(value: Any) -> Any:
    """numpy's scalars as Python's."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value
