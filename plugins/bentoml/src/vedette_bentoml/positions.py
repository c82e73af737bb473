"""Where a record of `bentoml.monitor` stands among those of its request: several may share the request's id."""

from __future__ import annotations

import os
import threading
from collections.abc import MutableMapping
from typing import Any

KEY = "vedette.positions"
_lock = threading.Lock()


def place(scope: MutableMapping[str, Any] | None, target: str, rows: int, labels: int) -> int:
    """The first row of a record, and of its labels; counts it in.

    scope: of the request, None outside of one. It is the same object in every thread and task that serves the request,
    which a ContextVar's value is not, and it goes when the request does.  target: whose rows these are; two monitors
    that write to the same place must not share a row.  rows, labels: that the record has. Labels without rows belong
    to the first rows of the request that have none yet.
    """
    if scope is None:
        return 0
    with _lock:
        places = scope.setdefault(KEY, {})
        shown, labelled = places.get(target, (0, 0))
        first: int = shown if rows else labelled
        places[target] = (shown + rows, max(labelled, first + labels) if labels else labelled)
    return first


def _after_fork() -> None:
    """In the child: the lock may have been held by a thread that the child does not have."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
