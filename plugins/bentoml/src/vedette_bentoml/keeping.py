"""What a client sent, kept before the endpoint can change it in place.

The tap reads a call after the model has answered. An endpoint that scales its array, fills a frame's gaps or pops from
a dict would otherwise have monitored what it made of the request, in silence.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

_FIXED = frozenset({str, bytes, int, float, bool, complex, type(None)})
_PLACE = 64  # bytes of one value in a list, as the tap estimates them


class _TooLarge(Exception):
    """More than is copied."""


class _Keeper:
    """One copy. left: bytes that it may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def copied(self, value: Any) -> Any:
        kind = type(value)
        if kind in _FIXED:
            return value
        if kind is np.ndarray:
            self._take(value.nbytes)
            return value.copy()
        if kind is list or kind is tuple:
            self._take(_PLACE * len(value))
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
            return value.copy()
        return value

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _TooLarge


def kept(args: tuple[Any, ...], kwargs: Mapping[str, Any], most: int) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The arguments with arrays, frames, pydantic models, lists and dicts copied; other objects are the same ones.

    most: bytes beyond which nothing is copied, and the arguments are given back as they are.  Raises what a stranger's
    pydantic model may raise.
    """
    keeper = _Keeper(most)
    try:
        return keeper.copied(args), keeper.copied(dict(kwargs))
    except _TooLarge:
        return args, kwargs
