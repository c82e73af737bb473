"""Closing ticks: one holder per pool merges parts, computes results, folds sequential detectors, judges alerts."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from vedette.engine.bundle import Bundle
from vedette.engine.reduce.closing import SETTLED, SeriesReducer
from vedette.engine.reduce.cross_alerts import CrossAlerts
from vedette.engine.reduce.evaluate import ComponentFailed
from vedette.engine.reduce.joiner import Joiner
from vedette.engine.reduce.stale import StaleAlerts
from vedette.engine.reduce.telling import Withheld
from vedette.engine.running import Bundles, pool_id
from vedette.engine.work.accumulate import needs_labels
from vedette.plugins import Registry
from vedette.store import leases, log, waiting
from vedette.store.database import Store
from vedette.store.leases import Lease, LeaseLost
from vedette.store.panes import PartsChanged
from vedette.store.series import Series
from vedette.store.waiting import Waiting

logger = logging.getLogger("vedette.reducer")
TTL = 10.0  # seconds that a lease outlives its holder's last sign of life
HEARD = 30.0  # seconds after which a silent producer no longer holds the watermark
OUTAGE = 86_400.0  # seconds that the monitors may have been away and still wait for the producers from before
IDLE_GRACE = 10.0  # how far the watermark stays behind the clock when no producer is heard
NEVER = -1e18  # a watermark below all event times
TELL_EVERY = 1.0  # seconds between writes of the watermark, for a successor and for status pages
FEWEST_PARTS = 50
PARTS = 2000  # parts read at a time


@dataclass
class Reducer:
    """The steps of a pool's reducer. `clock` gives event time's "now" (the store's by default)."""

    store: Store
    bundle: Bundle
    pool: str
    registry: Registry
    clock: Callable[[], float] | None = None
    ttl: float = TTL
    idle_grace: float = IDLE_GRACE
    heard: float = HEARD
    joins_labels: bool = True
    holder: str = field(default_factory=lambda: holder_name())
    lease: Lease | None = None
    watermark: float = NEVER

    def __post_init__(self) -> None:
        self.model = self.bundle.plan.model
        self.pool_id = pool_id(self.model, self.pool)
        self.hooks = self.bundle.listened
        self._renewed = self._told = -math.inf
        self._parts = PARTS
        self._reducers: dict[int, SeriesReducer] = {}
        self._failed: set[int] = set()  # series whose component raised here: it would do so at every step
        self.bundles = Bundles(self.bundle)
        self._since_changes = {m.name for m in self.bundle.plan.monitors if any(w.since for w in m.windows)}
        self._began: float | None = None  # when this process began to listen
        self.joiner = Joiner(self.store, self.bundle, self.bundles) if self.joins_labels else None
        self.cross = CrossAlerts(self.store, self.bundle, self.hooks)
        self.withheld = Withheld(self.store, self.bundle, self.hooks)
        self.stale = StaleAlerts(self.store, self.bundle)

    def step(self, until: float | None = None, revise: bool = False) -> bool:
        """Close what can be closed; False while another process holds the lease.

        until: close everything below this event time, whatever the watermark says (end of a replay or session).
        revise: publish revisions now, however recently a window was revised.
        """
        try:
            if not self._hold():
                return False
            self._reduce_all(until, revise)
        except (LeaseLost, PartsChanged) as error:
            logger.warning("reducer of %s starts over: %s", self.pool_id, error)
            self._parts = max(FEWEST_PARTS, self._parts // 2)  # a smaller step is done before the lease ends
            self.drop()
        except BaseException:
            self.drop()
            raise
        return True

    def drop(self) -> None:
        """Forget everything that is in memory."""
        self._reducers.clear()
        self.lease = None
        self.watermark = NEVER

    def close(self) -> None:
        if self.lease is not None:
            with self.store.write() as connection:
                leases.release(connection, self.lease)
        self.drop()

    def _hold(self) -> bool:
        if self.lease is not None and time.monotonic() - self._renewed < self.ttl / 4:
            return True
        self._renewed = time.monotonic()
        with self.store.write() as connection:
            now = self.store.now(connection)
            found = leases.acquire(connection, self.pool_id, 0, self.holder, now, self.ttl)
        if found != self.lease:
            self._reducers.clear()
        self.lease = found
        return found is not None

    def _reduce_all(self, until: float | None, revise: bool) -> None:
        assert self.lease is not None
        if self.joiner is not None and self.pool == "default":
            self._join(self.joiner, self.lease)
        self.watermark = self._watermark() if until is None else until
        for one in self._waiting():
            self._reduce_series(one, revise)
        if self.pool == "default":
            self.cross.step(self.lease, self.watermark)
            self.withheld.step(self.lease)
            if until is None:  # the end of a replay is no silence
                self.stale.step(self.lease, self.watermark)

    def _join(self, joiner: Joiner, lease: Lease) -> None:
        try:
            joiner.step(lease)
        except (LeaseLost, PartsChanged, SQLAlchemyError):
            raise
        except Exception:  # labels that cannot be joined must not keep ticks open
            logger.exception("labels of %s could not be joined", self.model)

    def _watermark(self) -> float:
        """Event time below which no more rows are expected; monotone, never above now."""
        assert self.lease is not None
        with self.store.read() as connection:
            now = self.store.now(connection)
            event_now = now if self.clock is None else self.clock()
            began = self._began = now if self._began is None else self._began
            # a producer is silent when it could have been heard: after an outage all come back with what they held
            listened = now - began >= self.heard
            low, logged = log.watermark(connection, self.pool_id, now - (self.heard if listened else OUTAGE))
        if low is None:
            low = event_now - self.idle_grace if listened else self.watermark
        mark = min(event_now, low)
        if logged is not None:
            mark = min(mark, logged)
        mark = max(mark, self.watermark)
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            with self.store.write() as connection:
                leases.check(connection, self.lease)
                mark = leases.raise_watermark(connection, self.lease, mark)
        return mark

    def _waiting(self) -> list[Waiting]:
        """Of series that take rows, and of retired ones that are not done: late rows and labels are theirs."""
        plan = self.bundle.plan
        with self.store.read() as connection:
            since = self.store.now(connection) - plan.retention - plan.labels.within
            found = waiting.of_pool(connection, self.model, self.pool_id, since)
        found = [one for one in found if one.series.id not in self._failed]
        # after those that find the changes
        return sorted(found, key=lambda one: one.series.monitor in self._since_changes)

    def _reduce_series(self, one: Waiting, revise: bool) -> None:
        row = one.series
        try:
            self._reduce_one(one, revise)
        except (LeaseLost, PartsChanged, SQLAlchemyError):
            raise  # not this series' fault
        except ComponentFailed as error:
            logger.exception("monitor %s raised and is quarantined", row.monitor)
            self._quarantine(row, str(error))
        except Exception as error:  # a plugin that is gone, a state that cannot be read: the others go on
            logger.exception("series %d of monitor %s cannot be reduced", row.id, row.monitor)
            self._quarantine(row, f"{type(error).__name__}: {error}")

    def _quarantine(self, row: Series, reason: str) -> None:
        reducer = self._reducers.pop(row.id, None)
        self._failed.add(row.id)
        if reducer is not None:
            reducer.quarantine(reason, self.lease)

    def _reduce_one(self, one: Waiting, revise: bool) -> None:
        reducer = self._reducer(one.series)
        if reducer is None or self.lease is None:
            return
        closes = one.parts or reducer.passes(one.series.closed, self.watermark)
        if closes:
            self._close_ticks(reducer)
        if one.ticks:
            reducer.recompute(self.lease, 0.0 if revise else SETTLED)
        if closes or one.ticks or one.revisions:
            reducer.revise(self.lease, self.watermark, self.hooks, revise)

    def _close_ticks(self, reducer: SeriesReducer) -> None:
        while self.lease and reducer.close_ticks(self.lease, self.watermark, self.hooks, self._parts):
            if not self._hold():  # a long catch-up must not lose the lease before it is done
                raise LeaseLost(f"{self.pool_id}: taken over during a catch-up")

    def _reducer(self, row: Series) -> SeriesReducer | None:
        if row.id not in self._reducers:
            with self.store.read() as connection:
                bundle = self.bundles.of_series(connection, row)
            if bundle is None:
                return None
            spec = bundle.plan.monitor(row.monitor)
            labelled = needs_labels(bundle, spec)
            self._reducers[row.id] = SeriesReducer(self.store, bundle, spec, row.id, labelled, self.bundles)
        return self._reducers[row.id]


def holder_name() -> str:
    """Who reduces, told so that a person finds the process: host:pid:random."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
