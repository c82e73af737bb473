"""A monitor replica without threads: commit, count, checkpoint, adopt. Each step is one transaction or none."""

from __future__ import annotations

import logging
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.engine.failures import report_failures
from vedette.engine.message import Message
from vedette.engine.naming import ID, key_column
from vedette.engine.running import pool_id, series_of
from vedette.engine.work.accumulate import Accumulator, kept_columns
from vedette.store import counters, keys, log, panes, predictions, series
from vedette.store.database import Store, transient
from vedette.store.log import Fenced, LogRow
from vedette.store.texts import storable
from vedette_specs.batch import Batch
from vedette_specs.codec import CodecError
from vedette_specs.columns import Mask

logger = logging.getLogger("vedette.worker")
FUTURE = 300.0  # seconds that an event time may lie ahead of the store's clock
SILENT = 15.0  # seconds after which an incarnation that says nothing is given up


@dataclass
class Pending:
    """A batch that is committed and counted, but not yet covered by a checkpoint."""

    row: LogRow
    batch: Batch
    candidates: Mask


@dataclass(frozen=True)
class Parsed:
    head: Message
    batch: Batch | None


Logged = tuple[LogRow, Batch]


@dataclass
class WorkerCore:
    """The steps of a worker. `clock` gives event time's "now" (the store's by default; replay has its own)."""

    store: Store
    bundle: Bundle
    pool: str
    retention: float | None = None
    clock: Callable[[], float] | None = None
    keeps_predictions: bool = True
    silent: float = SILENT
    incarnation: str = ""
    pending: list[Pending] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = self.bundle.plan.model
        self.pool_id = pool_id(self.model, self.pool)
        self.schema = self.bundle.plan.schema
        self.kept_columns = kept_columns(self.bundle)
        self.accumulator = Accumulator(self.bundle, {}, ())
        self._told: dict[str, int] = {}  # counts that the store has
        self._given_up = ""  # the incarnation before, where it was forgotten

    def enlist(self) -> None:
        """Begin an incarnation with nothing in memory, if there is none."""
        if self.incarnation:
            return
        fresh = uuid.uuid4().hex
        with self.store.write() as connection:
            if self._given_up:  # what it logged and did not count may be taken over at once
                log.fence(connection, self._given_up)
            log.register(connection, fresh, self.pool_id, self.store.now(connection))
            found = {name: row.id for name, row in series_of(connection, self.bundle).items()}
            stopped = series.quarantined(connection, self.model)
        monitors = self.bundle.plan.pool_monitors(self.pool)
        self.accumulator = Accumulator(self.bundle, found, monitors, self._name_segment)
        self.accumulator.quarantined = stopped
        self.pending = []
        self.incarnation, self._given_up = fresh, ""

    def forget(self) -> None:
        """Drop what is in memory: the log has it, and another incarnation will take it from there."""
        self._given_up = self.incarnation or self._given_up
        self.incarnation = ""
        self.pending = []

    def _name_segment(self, series_id: int, segment: str) -> str:
        with self.store.write() as connection:
            return series.segment_name(connection, series_id, segment)

    def parse(self, message: bytes) -> Parsed:
        """Raises CodecError for bytes that are no message, before anything is written."""
        head = Message.from_bytes(message)
        if head.batch is None:
            return Parsed(head, None)
        try:
            return Parsed(head, Batch.from_bytes(head.batch, self.schema))
        except (KeyError, TypeError, ValueError) as error:
            raise CodecError(f"the batch cannot be read: {error}") from error

    def commit(self, messages: Sequence[Parsed]) -> tuple[list[bool], list[Logged]]:
        """Log messages in one transaction: (True where new, False for duplicates; what is to be counted)."""
        self.enlist()
        try:
            return self._log(messages)
        except Fenced:  # before anything was written
            self._fenced()
            self.enlist()
            return self._log(messages)
        except BaseException:
            self.forget()  # whether it was committed is unknown here, but not to the log
            raise

    def absorb(self, logged: Sequence[Logged]) -> None:
        """Count what `commit` has logged."""
        try:
            for row, batch in logged:
                self._absorb(row, batch)
        except BaseException:
            self.forget()
            raise

    def apply(self, *messages: bytes) -> list[bool]:
        """parse, commit and absorb, for one thread."""
        fresh, logged = self.commit([self.parse(message) for message in messages])
        self.absorb(logged)
        return fresh

    def _log(self, messages: Sequence[Parsed]) -> tuple[list[bool], list[Logged]]:
        fresh = [False] * len(messages)
        new: list[tuple[Message, Batch]] = []
        # one order for all workers, so that two groups never wait for each other's rows
        order = sorted(range(len(messages)), key=lambda i: (messages[i].head.producer, messages[i].head.seq))
        with self.store.write() as connection:
            now = self.store.now(connection)
            log.beat(connection, self.incarnation, now)  # a batch of one who was given up would be nobody's
            received = now if self.clock is None else self.clock()
            for i in order:
                head, batch = messages[i].head, messages[i].batch
                counters = {name: int(value) for name, value in head.counters.items()}
                fresh[i] = log.raise_seq(connection, self.pool_id, head.producer, head.seq, head.low, now, counters)
                if fresh[i] and batch is not None and len(batch):
                    new.append((head, self._timed(batch, received)))
            ids = log.append(connection, [self._log_row(head, batch, received) for head, batch in new])
        self._count("duplicates", fresh.count(False))
        rows = [
            LogRow(i, head.producer, head.seq, received, head.model_version, 0, b"")
            for i, (head, _) in zip(ids, new, strict=True)
        ]
        return fresh, [(row, batch) for row, (_, batch) in zip(rows, new, strict=True)]

    def _log_row(self, message: Message, batch: Batch, received: float) -> dict[str, object]:
        times = batch.times
        return {
            "pool": self.pool_id, "producer": message.producer, "seq": message.seq, "owner": self.incarnation,
            "rows": len(batch), "min_time": received if times is None else float(times.min()), "received": received,
            "model_version": message.model_version, "blob": message.batch, "attempts": 0, "poisoned": False,
        }  # fmt: skip

    def _timed(self, batch: Batch, received: float) -> Batch:
        """Event times that nobody can mean (far ahead, older than the retention, missing) become arrival time."""
        times = np.full(len(batch), received) if batch.times is None else np.asarray(batch.times, dtype=np.float64)
        oldest = -np.inf if self.retention is None else received - self.retention
        strange = ~((times >= oldest) & (times <= received + FUTURE))
        if strange.any():
            self._count("clock_corrected_rows", int(strange.sum()))
            times = np.where(strange, received, times)
        return batch.replace(times=times, ids=_storable(batch.ids))

    def _absorb(self, row: LogRow, batch: Batch) -> None:
        candidates = self.accumulator.add(batch)
        self.pending.append(Pending(row, batch, candidates))
        self._count("rows", len(batch))
        join = self.bundle.plan.labels.join
        if self.keeps_predictions and join != ID:
            self._count("rows_without_key", sum(key is None for key in key_column(batch, join)))

    def retire(self) -> None:
        """End this incarnation: what it has not covered may be taken over at once."""
        if self.incarnation:
            with self.store.write() as connection:
                log.fence(connection, self.incarnation)
            self.forget()

    def checkpoint(self) -> int:
        """Write the deltas and drop the batches they cover, in one transaction; returns the batches covered.

        Where this incarnation was given up meanwhile, its memory is dropped and a new one begins: its batches
        are another worker's by now.
        """
        self.enlist()
        parts, failures = self.accumulator.take()
        covered = self.pending
        try:
            with self.store.write() as connection:
                now = self.store.now(connection)
                log.beat(connection, self.incarnation, now)
                panes.insert(connection, parts)
                if self.keeps_predictions:
                    self._keep(connection, covered)
                report_failures(connection, self.bundle, failures, now)
                told = dict(self.counts)
                counters.add(connection, self.model, _difference(told, self._told))
                log.cover(connection, self.incarnation, [item.row.id for item in covered])
                self.accumulator.quarantined |= series.quarantined(connection, self.model)
        except Fenced:
            self._fenced()
            return 0
        except BaseException:
            self.forget()  # whether it was committed is unknown here, but not to the log
            raise
        self.pending = []
        self._told = told
        return len(covered)

    def _fenced(self) -> None:
        logger.warning("incarnation %s was taken over; starting anew", self.incarnation)
        self._count("fenced", 1)
        self.forget()

    def _keep(self, connection: Connection, covered: Sequence[Pending]) -> None:
        for item in covered:
            privacy = self.bundle.plan.privacy.payloads
            chosen = item.candidates if privacy == "flagged" else _sample(item.batch, privacy)
            block = predictions.keep(
                connection, self.model, item.row, item.batch, chosen, self.kept_columns, self.bundle.digest
            )
            if self.bundle.plan.labels.join != ID:
                keys.put(connection, self.model, block, key_column(item.batch, self.bundle.plan.labels.join))

    def adopt(self) -> int:
        """Take over the batches of silent incarnations; returns how many were counted.

        What is taken is checkpointed batch by batch, so that a batch that kills its worker is told from its
        neighbours.
        """
        self.enlist()
        with self.store.read() as connection:
            before = self.store.now(connection) - self.silent
            owners = log.silent_owners(connection, self.pool_id, self.incarnation, before)
        counted = 0
        try:
            for owner in owners:
                for row in self._take_over(owner, before):
                    counted += self._adopt_one(row)
        except Fenced:
            self._fenced()
        except BaseException:
            self.forget()  # what was taken over is owned, but neither counted nor pending
            raise
        return counted

    def _take_over(self, owner: str, before: float) -> list[int]:
        self.checkpoint()
        self.enlist()
        with self.store.write() as connection:
            return log.adopt(connection, owner, self.incarnation, self.store.now(connection), before)

    def _adopt_one(self, row_id: int) -> bool:
        with self.store.write() as connection:
            row = log.begin_attempt(connection, row_id, self.incarnation)
        if row is None:
            self._count("poisoned", 1)
            logger.error("batch %d killed its workers, or could not be counted, and is parked as poisoned", row_id)
            return False
        try:
            self._absorb(row, self._timed(Batch.from_bytes(row.blob, self.schema), row.received))
            covered = self.checkpoint()
        except Exception as error:
            if transient(error):  # the store's fault; a batch that cannot be counted is parked like one that kills
                self._give_back(row_id)
            raise
        if covered != 1:
            self._give_back(row_id)
            return False
        self._count("adopted", 1)
        return True

    def _give_back(self, row_id: int) -> None:
        try:
            with self.store.write() as connection:
                log.give_back(connection, row_id)
        except Exception:  # the store may be what failed; then the attempt stays counted
            logger.warning("the attempt at batch %d could not be given back", row_id, exc_info=True)

    def _count(self, name: str, n: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + n


def _storable(ids: Any) -> Any:
    """Request ids as the store can hold them. Nearly always they are as they came."""
    if ids is None or not len(ids):
        return ids
    joined = "".join(map(str, ids))
    if storable(joined, len(joined)) == joined:
        return ids
    clean = np.empty(len(ids), dtype=object)
    clean[:] = [storable(text, len(text)) for text in map(str, ids)]
    return clean


def _difference(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in now.items() if value != before.get(name, 0)}


def _sample(batch: Batch, share: object) -> Mask:
    if share == "all":
        return np.ones(len(batch), dtype=bool)
    if not isinstance(share, float) or batch.ids is None:
        return np.zeros(len(batch), dtype=bool)
    # by the id, so that every replica and every retry keeps the same rows
    draws = np.fromiter((zlib.crc32(str(i).encode()) for i in batch.ids), dtype=np.uint32, count=len(batch))
    return np.asarray(draws < share * 2**32)
