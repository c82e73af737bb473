"""Which series a process counts into: those of its own bundle, also when another bundle has been deployed since."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.store import series
from vedette.store.database import Store
from vedette.store.series import Series

logger = logging.getLogger("vedette.deploy")


def pool_id(model: str, pool: str) -> str:
    """A pool's name in the store, which may hold several models."""
    return f"{model}/{pool}"


def runs(bundle: Bundle, row: Series) -> bool:
    """Whether the series counts rows as this bundle says: another's states and ticks would spoil it."""
    plan = bundle.plan
    spec = next((m for m in plan.monitors if m.name == row.monitor), None)
    if spec is None or row.pool != pool_id(plan.model, spec.pool):
        return False
    return row.fingerprint == bundle.fingerprint(spec.name, plan.model_version or "")


def series_of(connection: Connection, bundle: Bundle) -> dict[str, Series]:
    """monitor -> the last series that runs as the bundle says.

    It may have been retired since: a process that still has the old bundle counts what it took in where it belongs.
    """
    found = series.all_series(connection, bundle.plan.model)
    return {row.monitor: row for row in found if runs(bundle, row)}


@dataclass
class Bundles:
    """The bundles of the series that a process meets; `own` is the one that it was started with."""

    own: Bundle
    known: dict[str, Bundle | None] = field(default_factory=dict)

    def get(self, connection: Connection, digest: str) -> Bundle | None:
        """None where the store has forgotten it. "" is the process's own."""
        if digest in ("", self.own.digest):
            return self.own
        if digest not in self.known:
            body = series.get_bundle(connection, digest)
            found = None if body is None else Bundle.from_bytes(body, self.own.registry)
            self.known[digest] = found if found is None or self.own.delivers else found.silent()
        return self.known[digest]

    def of_series(self, connection: Connection, row: Series) -> Bundle | None:
        """A running series follows today's rules and sinks, all others the bundle that they began with."""
        if row.status != "retired" and runs(self.own, row):
            return self.own
        return self.get(connection, row.digest)


@dataclass
class Followed:
    """Whether another bundle of the model has been deployed since; told once each time that it is."""

    store: Store
    own: Bundle
    told: bool = False

    def look(self) -> bool:
        model = self.own.plan.model
        with self.store.read() as connection:
            digest = series.deployed(connection, model)
        followed = digest is not None and digest != self.own.digest
        if followed and not self.told:
            logger.warning(
                "another configuration of model %s was deployed to %s: %s instead of this process's %s; what comes in "
                "here is still counted as its own configuration says. Restart it with the newer one, or stop it",
                model, self.store.shown_url, digest, self.own.digest,
            )  # fmt: skip
        self.told = followed
        return followed
