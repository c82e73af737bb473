"""Delivering the outbox to sinks and to plugins' event hooks."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import cast

from vedette.config.plan import Plan
from vedette.plugins import Registry
from vedette.store import outbox
from vedette.store.database import Store
from vedette.store.outbox import HOOKS, Parcel
from vedette_specs.components import BatchSink, Sink

logger = logging.getLogger("vedette.sinks")
BUDGET = 2.0  # seconds of a step: the lease may have gone to another by then, who delivers too


@dataclass
class Dispatcher:
    """Only the holder of the default pool's lease runs it; after a change of holder an event may come twice."""

    store: Store
    plan: Plan
    registry: Registry
    _sinks: dict[str, Sink] = field(default_factory=dict)

    def step(self, budget: float = BUDGET) -> int:
        """Deliver what is due, for at most `budget` seconds; returns how many events were delivered.

        A round has the first event of each lane; lanes with more have further rounds.
        """
        deadline = time.monotonic() + budget
        delivered = 0
        while True:
            with self.store.read() as connection:
                due = outbox.due(connection, self.plan.model, self.store.now(connection))
            arrived = sum(self._deliver(name, parcels) for name, parcels in _by_sink(due).items())
            delivered += arrived
            if not arrived or time.monotonic() >= deadline:
                return delivered

    def _deliver(self, name: str, parcels: list[Parcel]) -> int:
        """How many of one sink's parcels arrived."""
        if len(parcels) > 1 and self._deliver_together(name, parcels):
            return len(parcels)
        return sum(self._deliver_one(parcel) for parcel in parcels)

    def _deliver_together(self, name: str, parcels: list[Parcel]) -> bool:
        """Whether the sink takes many at once, and took these. Where it raises, each of them is tried alone."""
        try:
            sink = None if name == HOOKS else self._sink(name)
            if not isinstance(sink, BatchSink):
                return False
            sink.emit_many([parcel.event for parcel in parcels])
        except Exception as error:  # a sink may fail in any way
            logger.warning("sink %s: %d events together failed, now one by one: %s", name, len(parcels), error)
            return False
        with self.store.write() as connection:
            now = self.store.now(connection)
            for parcel in parcels:
                outbox.delivered(connection, parcel, now)
        return True

    def _deliver_one(self, parcel: Parcel) -> bool:
        try:
            if parcel.sink == HOOKS:
                self.registry.emit(parcel.event)
            else:
                self._sink(parcel.sink).emit(parcel.event)
        except Exception as error:  # the event is kept and tried again
            logger.warning("sink %s: event %s failed: %s", parcel.sink, parcel.event.id, error)
            with self.store.write() as connection:
                reason = f"{type(error).__name__}: {error}"
                outbox.failed(connection, parcel, reason, self.store.now(connection))
            return False
        with self.store.write() as connection:
            outbox.delivered(connection, parcel, self.store.now(connection))
        return True

    def _sink(self, name: str) -> Sink:
        if name not in self._sinks:
            spec = next((s for s in self.plan.sinks if s.name == name), None)
            if spec is None:
                raise LookupError(f"sink {name!r} is no longer configured")
            made = self.registry.build(spec.component.use, spec.component.options, ("sink",))
            self._sinks[name] = cast("Sink", made)
        return self._sinks[name]

    def close(self) -> None:
        for sink in self._sinks.values():
            sink.close()
        self._sinks.clear()


def _by_sink(due: list[Parcel]) -> dict[str, list[Parcel]]:
    found: dict[str, list[Parcel]] = {}
    for parcel in due:
        found.setdefault(parcel.sink, []).append(parcel)
    return found
