"""Labels that a model's process knows itself, posted from a thread of their own."""

from __future__ import annotations

import json
import os
import queue
import threading
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from vedette.engine.tap.settings import Complaints

WAITING = 10_000  # records whose labels wait; beyond, they are dropped and counted
GROUP = 500
RETRY_AFTER = 2.0
Item = dict[str, Any]
Post = Callable[[list[Item]], None]


class Target(Protocol):
    """Where labels go."""

    def put(self, request: str, labels: list[Any], row: int = 0) -> None: ...

    def close(self, timeout: float) -> None: ...


class Labels:
    """A bounded queue and a thread, renewed after a fork: what the parent holds is the parent's to post.

    post: stores items of feedback; raises OSError where it is worth another try.  lost: told how many labels will never
    be stored.
    """

    def __init__(self, post: Post, lost: Callable[[int], None] = lambda n: None) -> None:
        self.post = post
        self.lost = lost
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._waiting: queue.Queue[Item] = queue.Queue(WAITING)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._complaints = Complaints()

    @classmethod
    def over_http(cls, base: str, token: str | None, lost: Callable[[int], None] = lambda n: None) -> Labels:
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

        return cls(post, lost)

    def put(self, request: str, labels: list[Any], row: int = 0) -> None:
        """Never waits. row: that the first of the labels belongs to."""
        if self._thread is None:
            self._start()
        item = {"id": request, "row": row, "labels": [_plain(label) for label in labels]}
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._lose([item], "labels dropped", f"labels are dropped: those of {WAITING} records wait already")

    def close(self, timeout: float) -> None:
        """Post what waits. What cannot be posted within `timeout` seconds is lost, but for what is on its way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive() and (left := self._rest()):
                self._leave(left)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vedette-labels", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not (self._stop.is_set() and self._waiting.empty()):
            if not (group := self._next()):
                continue
            last = False
            while group := self._left(group):
                if last:
                    self._leave(group + self._rest())
                    return
                last = self._stop.wait(RETRY_AFTER)  # once more at the end: monitors may have started meanwhile

    def _leave(self, items: list[Item]) -> None:
        self._lose(items, "labels left", f"labels of {len(items)} records could not be stored before the end")

    def _lose(self, items: list[Item], kind: str, message: str) -> None:
        self.lost(sum(len(item["labels"]) for item in items))
        self._complaints.warn(kind, message)

    def _next(self) -> list[Item]:
        group: list[Item] = []
        try:
            group.append(self._waiting.get(timeout=0.2))
            while len(group) < GROUP:
                group.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return group

    def _rest(self) -> list[Item]:
        found: list[Item] = []
        with suppress(queue.Empty):
            while True:
                found.append(self._waiting.get_nowait())
        return found

    def _left(self, group: list[Item]) -> list[Item]:
        """Post; those that are worth another try."""
        try:
            self.post(group)
        except (OSError, RuntimeError) as error:
            self._complaints.warn("labels late", f"labels could not be stored, they are tried again: {error}")
            return group
        except Exception as error:
            if len(group) > 1:  # one of them is wrong: the others are not lost with it
                return [left for item in group for left in self._left([item])]
            self._lose(group, "labels refused", f"labels of request {group[0]['id']} are lost: {error}")
        return []


def _plain(value: Any) -> Any:
    """numpy's scalars as Python's."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


_all: weakref.WeakSet[Labels] = weakref.WeakSet()


def _after_fork() -> None:
    for labels in list(_all):
        labels._reset()


os.register_at_fork(after_in_child=_after_fork)
