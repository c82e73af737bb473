"""The flusher's work: offered calls become frozen shipments."""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from vedette.engine.capture.call import Call, Undecodable, failed
from vedette.engine.capture.columns import missing_column
from vedette.engine.capture.decode import Rows, build, read
from vedette.engine.message import TapPlan
from vedette.engine.tap.holdings import Holdings, Offered, Shipment
from vedette.engine.tap.settings import Complaints, Timing
from vedette.engine.tap.turns import Turn
from vedette_specs.batch import Batch, concat

Mint = Callable[[], str]
Store = Callable[[Shipment], None]
_CHUNK = 4096  # offers frozen together
_AT_EASE, _BEHIND = 0.25, 1.0  # shares of a turn; who finds more than a chunk has fallen behind


class Capturing:
    """Decodes what the tap holds, in chunks, and freezes batches with a number for each pool."""

    def __init__(
        self, producer: str, held: Holdings, timing: Timing, complaints: Complaints, mint: Mint, store: Store | None
    ) -> None:
        self.producer = producer
        self.held = held
        self.timing = timing
        self.complaints = complaints
        self.mint = mint
        self.store = store
        self.model_version = ""
        self._seqs: dict[str, int] = {}
        self._share = _AT_EASE
        self._lock = threading.Lock()  # two flushers never interleave their numbers

    def run(self, plan: TapPlan) -> None:
        """Capture all that is held now."""
        with self._lock:
            items = deque(self.held.take())
            self._share = _BEHIND if len(items) > _CHUNK else _AT_EASE
            lows = _suffix_minima([item[3] for item in items])
            while items:
                chunk = self._next_chunk(items)
                self._chunk(chunk, lows[len(lows) - 1 - len(items)] - self.held.lag, plan)

    def _next_chunk(self, items: deque[Offered]) -> list[Offered]:
        """About two batches: while a chunk is frozen, its rows are in memory twice."""
        chunk: list[Offered] = []
        rows = size = 0
        most_rows, most_bytes = 2 * self.timing.batch_rows, 2 * self.timing.batch_bytes
        while items and len(chunk) < _CHUNK and rows < most_rows and size < most_bytes:
            chunk.append(items.popleft())
            rows += chunk[-1][1]
            size += chunk[-1][2]
        return chunk

    def _chunk(self, items: list[Offered], rest: float, plan: TapPlan) -> None:
        try:
            self._freeze(self._decoded(items, plan), rest, plan)
        except Exception as error:  # no call may end the thread that serves all calls
            self.held.count("errors")
            self.held.count("dropped_rows", sum(item[1] for item in items))
            self.complaints.warn("capture failed", f"captured rows are lost: {error!r}", error)
        finally:
            self.held.remaining(rest)
            self.held.release(len(items))

    def _decoded(self, items: list[Offered], plan: TapPlan) -> list[Batch]:
        try:
            return [part for batch in self._batches(items, plan) for part in self._slices(batch)]
        finally:
            self.held.hand_over(items)  # before they are shipments: counted twice they would push each other out

    def _batches(self, items: list[Offered], plan: TapPlan) -> Iterator[Batch]:
        calls: dict[tuple[Any, ...], list[Rows]] = {}
        ready: dict[tuple[Any, ...], list[Batch]] = {}
        lag, turn = 0.0, Turn(self._share)
        for item, _, _, low, arrival in items:
            turn.let_others_in()
            if isinstance(item, Batch):
                batch = self._complete(item, plan, arrival)
                ready.setdefault(_layout(batch), []).append(batch)
            elif (rows := self._read(item, plan, arrival)) is not None:
                calls.setdefault(rows.layout(), []).append(rows)
                lag = max(lag, low - _least(rows))
        self.held.lag = lag
        for group in calls.values():
            yield from self._build(group, plan)
        for batches in ready.values():
            yield concat(batches)

    def _read(self, call: Call, plan: TapPlan, arrival: float) -> Rows | None:
        """The call's rows; None, and counted, where it has none."""
        try:
            if failed(call):
                self.held.count("failed_calls")
                return None
            rows = read(call, plan.schema, plan.capture, plan.redact)
        except Undecodable as error:
            self._undecodable(error)
            return None
        except Exception as error:  # a stranger's object in the call
            self._undecodable(Undecodable("call", type(error).__name__, f"values that can be read ({error})"))
            return None
        if rows.times is None or (isinstance(rows.times, float) and not math.isfinite(rows.times)):
            rows.times = arrival
            if plan.capture.time is not None:
                self.held.count("late_stamped", rows.count)
        if rows.prediction is None:
            self.held.count("without_prediction", rows.count)
        return rows

    def _build(self, group: list[Rows], plan: TapPlan) -> Iterator[Batch]:
        """One batch; where that fails, one a call, so that only the wrong call is lost."""
        try:
            yield build(group, plan.schema, plan.redact, self.mint)
            self.held.count("captured", sum(rows.count for rows in group))
        except (Undecodable, ValueError) as error:
            if len(group) == 1:
                self._undecodable(error)
                return
            middle = len(group) // 2
            yield from self._build(group[:middle], plan)
            yield from self._build(group[middle:], plan)

    def _complete(self, batch: Batch, plan: TapPlan, arrival: float) -> Batch:
        """With ids, rows and times; without what may not leave."""
        n = len(batch)
        self.held.count("captured", n)
        ids, rows, times = batch.ids, batch.rows, batch.times
        if ids is None:
            ids = np.full(n, self.mint(), dtype=object)
            rows = np.arange(n, dtype=np.int32)
        if rows is None:
            rows = np.zeros(n, dtype=np.int32)
        times = np.full(n, arrival) if times is None else np.where(np.isfinite(times), times, arrival)
        batch = replace(batch, ids=ids, rows=rows, times=times)
        hidden = [name for name in plan.redact if name in batch.inputs or name in batch.attributes]
        for name in hidden:
            if name in batch.inputs:
                kept = {**batch.inputs, name: missing_column(batch.inputs[name].kind, n)}
                batch = replace(batch, inputs=kept)
            else:
                batch = replace(batch, attributes={**batch.attributes, name: missing_column("category", n)})
        return batch

    def _slices(self, batch: Batch) -> Iterator[Batch]:
        for start in range(0, len(batch), self.timing.batch_rows):
            whole = len(batch) <= self.timing.batch_rows
            yield batch if whole else batch.take(slice(start, start + self.timing.batch_rows))

    def _freeze(self, batches: list[Batch], rest: float, plan: TapPlan) -> None:
        """Each shipment's `low` looks at what comes after it."""
        frozen = [part for batch in batches for part in self._encode(batch)]
        lows = _suffix_minima([low for _, _, low in frozen])
        for i, (data, rows, _) in enumerate(frozen):
            behind = min(rest, lows[i + 1])
            low = self.held.low(behind)
            shipment = Shipment(self.producer, low, rows, data, self._number(plan), self.model_version)
            if self.store is not None:
                self.store(shipment)
            self.held.add(shipment)
            self.held.remaining(behind)  # only now: a heartbeat must not overtake the rows

    def _encode(self, batch: Batch) -> Iterator[tuple[bytes, int, float]]:
        """(bytes, rows, least event time) of at most batch_bytes each, or of a single row."""
        data = batch.to_bytes()
        n = len(batch)
        if len(data) <= self.timing.batch_bytes or n == 1:
            assert batch.times is not None
            yield data, n, float(batch.times.min())
        else:
            yield from self._encode(batch.take(slice(0, n // 2)))
            yield from self._encode(batch.take(slice(n // 2, n)))

    def _number(self, plan: TapPlan) -> dict[str, int]:
        for pool in plan.pools:
            self._seqs[pool] = self._seqs.get(pool, 0) + 1
        return {pool: self._seqs[pool] for pool in plan.pools}

    def _undecodable(self, error: Exception) -> None:
        self.held.count("undecodable")
        self.complaints.warn("undecodable call", f"a call is not monitored: {error}")


def _least(rows: Rows) -> float:
    return min(rows.times) if isinstance(rows.times, list) else rows.times if rows.times is not None else math.inf


def _suffix_minima(values: list[float]) -> list[float]:
    """[min of values[i:] for each i], and inf behind the last one."""
    return [*itertools.accumulate(reversed([*values, math.inf]), min)][::-1]


def _layout(batch: Batch) -> tuple[Any, ...]:
    """Batches of the same layout can be joined."""
    columns = {**batch.inputs, "\0prediction": batch.prediction, "\0labels": batch.labels}
    shapes = tuple((name, c and (c.kind, c.values.shape[1:])) for name, c in columns.items())
    width = None if batch.probabilities is None else batch.probabilities.shape[1]
    return (shapes, width, tuple((name, c.kind) for name, c in batch.attributes.items()))
