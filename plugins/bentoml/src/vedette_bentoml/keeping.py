"""What a client sent, kept before the endpoint can change it in place.

The tap reads a call after the model has answered. An endpoint that scales its array, fills a frame's gaps or pops from
a dict would otherwise have monitored what it made of the request, in silence.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

_FIXED = frozenset({str, bytes, int, float, bool, complex, type(None)})
_OBJECTS = np.dtype(object)
_PLACE = 64  # bytes of one value in a list, as the tap estimates them
_SMALL = 4 << 10  # bytes of a copy that are not counted: the request itself takes more


class TooLarge(Exception):
    """Copies of the calls under way would take more than is allowed."""


class Held:
    """Bytes that copies of all calls under way take. Thread-safe.

    most: that they may take in sum: the calls that a slow model works on hold no more than what may wait for the tap.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()
        # the garbage collector may end a call anywhere, under the lock too: what is free again is put down here
        self.free: deque[int] = deque()

    def take(self, size: int) -> None:
        """Raises TooLarge, and nothing is taken."""
        free = self.free
        with self._lock:
            while free:
                self._taken -= free.popleft()
            if self._taken + size > self.most:
                raise TooLarge(f"copies of the calls under way would take more than {self.most} bytes")
            self._taken += size


class _Share:
    """What one call has taken, until nobody has the call any more, however it ended."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._size = 0

    def grow(self, size: int) -> None:
        self._held.take(size - self._size)
        self._size = size

    def __del__(self) -> None:
        self._held.free.append(self._size)


class Kept(NamedTuple):
    """Arguments of a call that is under way, to be shown once it is answered. share: what their copies count as."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    share: object = None


class _Keeper:
    """One copy."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.share: _Share | None = None
        self._size = 0

    def copied(self, value: Any) -> Any:
        kind = type(value)
        if kind in _FIXED:
            return value
        if kind is np.ndarray:
            self._take(value.nbytes)
            return self._cells(value.copy()) if value.dtype is _OBJECTS else value.copy()
        if kind is list or kind is tuple:
            self._take(_PLACE * len(value))
            if _FIXED.issuperset(map(type, value)):
                return kind(value)
            return kind([item if type(item) in _FIXED else self.copied(item) for item in value])
        if kind is dict:
            self._take(_PLACE * len(value))
            return {key: item if type(item) in _FIXED else self.copied(item) for key, item in value.items()}
        if isinstance(value, BaseModel):
            return value.model_copy(update=self.copied(dict(value)))
        if kind is bytearray:
            self._take(len(value))
            return bytes(value)
        pandas = sys.modules.get("pandas")  # who has none of its frames need not import it
        if pandas is not None and (kind is pandas.DataFrame or kind is pandas.Series):
            self._take(8 * math.prod(value.shape))
            return self._table(value, pandas)
        return value

    def _cells(self, array: Any) -> Any:
        """The array, its own already; lists, dicts and arrays in it are copied too, texts and numbers need not be."""
        cells = array.reshape(-1)
        items = cells.tolist()
        if not _FIXED.issuperset(map(type, items)):
            for place, item in enumerate(items):
                cells[place] = self.copied(item)
        return array

    def _table(self, table: Any, pandas: Any) -> Any:
        """A frame or a series; only columns of objects hold what can be changed in place."""
        if isinstance(table, pandas.Series):
            return self._column(table, pandas) if table.dtype == _OBJECTS else table.copy()
        copy = table.copy()
        for place, dtype in enumerate(table.dtypes):
            if dtype == _OBJECTS:
                copy.isetitem(place, self._column(table.iloc[:, place], pandas))
        return copy

    def _column(self, series: Any, pandas: Any) -> Any:
        return pandas.Series(self._cells(series.to_numpy().copy()), series.index, dtype=object, name=series.name)

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > _SMALL:
            if self.share is None:
                self.share = _Share(self.held)
            self.share.grow(self._size)


def kept(args: tuple[Any, ...], kwargs: dict[str, Any], held: Held) -> Kept:
    """The arguments with arrays, frames, pydantic models, lists and dicts copied; other objects are the same ones, also
    those in the fields of a structured array.

    Raises TooLarge where the copies do not fit into `held`, and what a stranger's pydantic model may raise.
    """
    keeper = _Keeper(held)
    return Kept(args and keeper.copied(args), keeper.copied(kwargs), keeper.share)
