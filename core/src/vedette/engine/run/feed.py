"""Feeding rows in event time without a tap: one producer, one thread. For replays and backfills."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable

import numpy as np

from vedette.engine.message import Message
from vedette_specs.batch import Batch

ROWS = 8192


class Feed:
    """Numbers batches and ships them; its clock is the latest event time that it has seen."""

    def __init__(self, send: Callable[[bytes], object], model_version: str = "") -> None:
        self.producer = uuid.uuid4().hex
        self.latest = -math.inf
        self.rows = 0
        self._send = send
        self._seq = 0
        self._requests = 0
        self._version = model_version

    def clock(self) -> float:
        """Event time's now: a little ahead of the last row, so that no row counts as from the future."""
        return self.latest if math.isfinite(self.latest) else 0.0

    def new_id(self) -> str:
        self._requests += 1
        return f"{self.producer}-{self._requests}"

    def put(self, batch: Batch, low: float) -> None:
        """Ship rows with event times; `low`: the least event time that later rows can have."""
        if batch.times is None:
            raise ValueError("times: rows are fed with their event times")
        for start in range(0, len(batch), ROWS):
            part = batch.take(slice(start, start + ROWS))
            last = start + ROWS >= len(batch)
            assert part.times is not None
            held = low if last else min(low, float(np.min(batch.times[start + ROWS :])))
            self.latest = max(self.latest, float(part.times.max()))
            self._seq += 1
            message = Message(self.producer, self._seq, held, part.to_bytes(), len(part), {}, self._version)
            self._send(message.to_bytes())
            self.rows += len(part)


def identified(batch: Batch, new_id: Callable[[], str]) -> Batch:
    """The batch with ids and row numbers where it has none: every row a request of its own."""
    if batch.ids is not None:
        return batch if batch.rows is not None else batch.replace(rows=_row_numbers(batch.ids))
    ids = np.empty(len(batch), dtype=object)
    ids[:] = [new_id() for _ in range(len(batch))]
    return batch.replace(ids=ids, rows=np.zeros(len(batch), dtype=np.int32))


def _row_numbers(ids: np.ndarray[tuple[int], np.dtype[np.object_]]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    seen: dict[object, int] = {}
    numbers = np.empty(len(ids), dtype=np.int32)
    for i, item in enumerate(ids.tolist()):
        numbers[i] = seen.get(item, 0)
        seen[item] = int(numbers[i]) + 1
    return numbers
