"""Everything that a tap holds: offered calls, batches on their way, bounds and counts, under one lock."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.engine.message import Message

_PLACE = 1024  # bytes that a shipment costs which is in the spool only
Offered = tuple[Any, int, int, float, float]  # call or batch, rows, bytes, least event time, time of arrival


@dataclass(slots=True, eq=False)
class Shipment:
    """A frozen batch on its way to some pools. seqs: pool -> its number there, as long as the pool wants it.

    batch: None once it has been moved out of memory; `load` then reads it from the spool.
    settled: told (pool, seq) when a pool is through with it.   tried: pools that may have got it.
    """

    producer: str
    low: float
    rows: int
    batch: bytes | None
    seqs: dict[str, int]
    model_version: str = ""
    load: Callable[[], bytes] | None = None
    settled: Callable[[str, int], None] | None = None
    tried: set[str] = field(default_factory=set)
    serial: int = 0

    def message(self, pool: str, counters: Mapping[str, int]) -> bytes:
        """Raises OSError or ValueError where the spool cannot be read."""
        batch = self.batch if self.batch is not None or self.load is None else self.load()
        seq = self.seqs[pool]
        return Message(self.producer, seq, self.low, batch, self.rows, counters, self.model_version).to_bytes()


class Holdings:
    """Bounded by rows and bytes over everything; the oldest goes first, and is counted."""

    def __init__(self, max_rows: int, max_bytes: int, wake_rows: int = 8192, wake_bytes: int = 4 << 20) -> None:
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self.wake = threading.Event()
        self.lag = 0.0  # seconds that event times, known only after capture, lay behind their arrival
        self.rows = 0
        self.bytes = 0
        self.arrived = 0  # offers ever
        self.captured = 0  # of which captured, or dropped before
        self.closed = False  # nothing is delivered any more
        self.changed = threading.Condition(threading.RLock())
        self._wake_rows = wake_rows
        self._wake_bytes = wake_bytes
        self._counts: Counter[str] = Counter()
        self._pool_counts: dict[str, Counter[str]] = {}
        self._offered: deque[Offered] = deque()
        self._offered_rows = 0
        self._offered_bytes = 0
        self._offered_low = math.inf
        self._capturing_low = math.inf
        self._resident: dict[int, Shipment] = {}
        self._spooled: dict[int, Shipment] = {}  # out of memory, only their places are held
        self._told: deque[tuple[Callable[[str, int], None], str, int]] = deque()
        self._queues: dict[str, dict[int, Shipment]] = {}
        self._flying: dict[str, Shipment] = {}
        self._serial = 0

    # calls and batches that are not captured yet

    def offer(self, item: Any, rows: int, size: int, event_time: float | None) -> int:
        """Take in a call or batch; returns its running number."""
        with self.changed:
            now = time.time()  # under the lock, so that no heartbeat promises more
            low = event_time if event_time is not None and event_time < now else now
            self._offered.append((item, rows, size, low, now))
            if low < self._offered_low:
                self._offered_low = low
            self._offered_rows += rows
            self._offered_bytes += size
            self.rows += rows
            self.bytes += size
            self.arrived += 1
            if self.rows > self.max_rows or self.bytes > self.max_bytes:
                self._shrink()
            number = self.arrived
        if self._offered_rows >= self._wake_rows or self._offered_bytes >= self._wake_bytes:
            self.wake.set()
        return number

    def take(self) -> list[Offered]:
        """All that was offered; it counts for the bounds until `hand_over`."""
        with self.changed:
            taken = list(self._offered)
            self._offered.clear()
            self._offered_rows = self._offered_bytes = 0
            self._capturing_low = min(self._capturing_low, self._offered_low - self.lag)
            self._offered_low = math.inf
            return taken

    def drop_offers(self) -> None:
        """At the end: what nobody will capture is counted as dropped."""
        with self.changed:
            while self._offered:
                self._drop_offer()
            self.changed.notify_all()

    def remaining(self, low: float) -> None:
        """The least event time of what was taken and is not frozen yet."""
        with self.changed:
            self._capturing_low = low

    def hand_over(self, items: list[Offered]) -> None:
        """These are about to become shipments, or nothing: they count for the bounds no more."""
        with self.changed:
            self.rows -= sum(item[1] for item in items)
            self.bytes -= sum(item[2] for item in items)

    def release(self, count: int) -> None:
        """So many have become shipments, or nothing."""
        with self.changed:
            self.captured += count
            self.changed.notify_all()

    def low(self, capturing: float | None = None) -> float:
        """The least event time held that is not in a shipment yet; now when there is none.

        capturing: what to take for the least event time of all that is being captured.
        """
        with self.changed:
            taken = self._capturing_low if capturing is None else capturing
            return min(time.time(), self._offered_low - self.lag, taken)

    # shipments

    def add(self, shipment: Shipment) -> None:
        """Queue a shipment for the pools that it names."""
        with self.changed:
            self._serial += 1
            shipment.serial = self._serial
            for pool in shipment.seqs:
                self._queues.setdefault(pool, {})[shipment.serial] = shipment
            if shipment.batch is not None:
                self._resident[shipment.serial] = shipment
                self.rows += shipment.rows
                self.bytes += len(shipment.batch)
            else:
                self._spooled[shipment.serial] = shipment
                self.bytes += _PLACE
            self._shrink()
            if self.closed:
                for pool in list(shipment.seqs):
                    self._queues[pool].pop(shipment.serial, None)
                    self._leave(pool, shipment, _lost(pool, shipment))
            self.changed.notify_all()

    def next(self, pool: str, timeout: float, stop: threading.Event) -> Shipment | None:
        """The oldest shipment that the pool waits for, now in flight; None when there is none in time."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while not stop.is_set():
                if queue := self._queues.get(pool):
                    shipment = queue.pop(next(iter(queue)))
                    self._flying[pool] = shipment
                    return shipment
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)
        return None

    def idle(self, pool: str) -> bool:
        """True when nothing waits for the pool or flies to it."""
        with self.changed:
            return not self._queues.get(pool) and pool not in self._flying

    def settle(self, pool: str, shipment: Shipment, outcome: str) -> None:
        """The pool is through with the shipment in flight. outcome: what its rows are counted as."""
        with self.changed:
            if self._flying.get(pool) is shipment:
                del self._flying[pool]
            self._leave(pool, shipment, outcome)
            self.changed.notify_all()
        self.tell()

    def tell(self) -> None:
        """Pass progress on to the spool: outside of the lock, since a disk can be slow."""
        while self._told:
            try:
                settled, pool, seq = self._told.popleft()
            except IndexError:
                return
            settled(pool, seq)

    def give_up(self, pool: str, *, keep_spooled: bool) -> None:
        """Nobody delivers to this pool any more: what it may have got is unknown, the rest dropped."""
        with self.changed:
            waiting = list(self._queues.pop(pool, {}).values())
            if (flying := self._flying.pop(pool, None)) is not None:
                waiting.append(flying)
            for shipment in waiting:
                if keep_spooled and shipment.load is not None:
                    shipment.settled = None
                    self._leave(pool, shipment, "spooled_rows")
                else:
                    self._leave(pool, shipment, _lost(pool, shipment))
            self.changed.notify_all()
        self.tell()

    def pools(self) -> list[str]:
        """Pools that shipments wait for or fly to."""
        with self.changed:
            return list({*self._queues, *self._flying})

    def through(self, serial: int) -> bool:
        """True when no pool wants this shipment any more."""
        with self.changed:
            return serial not in self._resident and serial not in self._spooled

    def newest(self) -> int:
        with self.changed:
            return self._serial

    def settled(self, serial: int) -> bool:
        """True when no shipment up to this serial is waiting or in flight."""
        with self.changed:
            waiting = (next(iter(queue)) for queue in self._queues.values() if queue)
            flying = (shipment.serial for shipment in self._flying.values())
            return min((*waiting, *flying), default=math.inf) > serial

    # counts

    def count(self, name: str, n: int = 1, pool: str | None = None) -> None:
        with self.changed:
            (self._counts if pool is None else self._pool_counts.setdefault(pool, Counter()))[name] += n

    def counters(self, pool: str | None = None) -> dict[str, int]:
        """Cumulative: as one pool sees them, or of all pools together (rows lost for two pools count twice)."""
        with self.changed:
            total = Counter(self._counts)
            total["offered"] = self.arrived
            for name, counts in self._pool_counts.items():
                if pool in (None, name):
                    total.update(counts)
            return dict(total)

    # under the lock

    def _shrink(self) -> None:
        while self.rows > self.max_rows or self.bytes > self.max_bytes:
            flying = {shipment.serial for shipment in self._flying.values()}
            resident = (s for serial, s in self._resident.items() if serial not in flying)
            oldest = next(resident, None)
            if oldest is not None and oldest.load is not None:
                self._unload(oldest)
                self._spooled[oldest.serial] = oldest
                self.bytes += _PLACE
            elif oldest is not None:
                self._drop(oldest)
            elif self._offered:
                self._drop_offer()
            elif (oldest := next((s for serial, s in self._spooled.items() if serial not in flying), None)) is not None:
                self._drop(oldest)
            else:
                return  # the rest is being captured or in flight: bounded by itself

    def _drop(self, shipment: Shipment) -> None:
        for pool in list(shipment.seqs):
            self._queues[pool].pop(shipment.serial, None)
            self._leave(pool, shipment, _lost(pool, shipment))
        self.changed.notify_all()

    def _drop_offer(self) -> None:
        item, rows, size, _, _ = self._offered.popleft()
        self.rows -= rows
        self.bytes -= size
        self._offered_rows -= rows
        self._offered_bytes -= size
        self.captured += 1
        if not self._offered:
            self._offered_low = math.inf
        if hasattr(item, "inputs"):
            self._counts["dropped_rows"] += rows
        else:
            self._counts["dropped_calls"] += 1

    def _leave(self, pool: str, shipment: Shipment, outcome: str) -> None:
        seq = shipment.seqs.pop(pool, None)
        if seq is None:
            return  # given up before
        self._pool_counts.setdefault(pool, Counter())[outcome] += shipment.rows
        if shipment.settled is not None:
            self._told.append((shipment.settled, pool, seq))
        if not shipment.seqs:
            self._unload(shipment)

    def _unload(self, shipment: Shipment) -> None:
        if self._resident.pop(shipment.serial, None) is not None:
            self.rows -= shipment.rows
            self.bytes -= len(shipment.batch or b"")
            shipment.batch = None
        elif self._spooled.pop(shipment.serial, None) is not None:
            self.bytes -= _PLACE


def _lost(pool: str, shipment: Shipment) -> str:
    return "unknown_rows" if pool in shipment.tried else "dropped_rows"
