"""Remembering event ids in bounded memory, so that an event delivered again is passed over."""

from __future__ import annotations

from collections import OrderedDict

LIMIT = 10_000


class Seen:
    """The last `limit` ids."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def add(self, id: str) -> None:
        self._ids[id] = None
        while len(self._ids) > self._limit:
            self._ids.popitem(last=False)
