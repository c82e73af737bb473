"""Leases: who reduces a pool. The epoch grows with every holder, so that a paused one finds itself replaced."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from vedette.store.database import upsert
from vedette.store.tables import leases


class LeaseLost(RuntimeError):
    """Somebody else holds the lease by now: nothing that was computed under it may be written."""


@dataclass(frozen=True)
class Lease:
    pool: str
    shard: int
    holder: str
    epoch: int


def acquire(connection: Connection, pool: str, shard: int, holder: str, now: float, ttl: float) -> Lease | None:
    """Take a free or expired lease, or renew one's own; None while another holds it."""
    fresh = {"pool": pool, "shard": shard, "holder": "", "epoch": 0, "expires": 0.0, "watermark": -1e18}
    upsert(connection, leases, fresh, ("pool", "shard"), {})
    where = leases.c.pool == pool, leases.c.shard == shard
    row = connection.execute(select(leases).where(*where).with_for_update()).one()
    if row.holder != holder and row.expires > now:
        return None
    epoch = row.epoch if row.holder == holder else row.epoch + 1
    connection.execute(update(leases).where(*where).values(holder=holder, epoch=epoch, expires=now + ttl))
    return Lease(pool, shard, holder, epoch)


def check(connection: Connection, lease: Lease) -> None:
    """Raises LeaseLost unless the lease is still this epoch's; locks it until the transaction ends."""
    where = leases.c.pool == lease.pool, leases.c.shard == lease.shard
    row = connection.execute(select(leases.c.epoch, leases.c.holder).where(*where).with_for_update()).one()
    if row.epoch != lease.epoch or row.holder != lease.holder:
        raise LeaseLost(f"{lease.pool}: epoch {lease.epoch} was followed by {row.epoch}")


def release(connection: Connection, lease: Lease) -> None:
    mine = leases.c.pool == lease.pool, leases.c.shard == lease.shard, leases.c.holder == lease.holder
    connection.execute(update(leases).where(*mine, leases.c.epoch == lease.epoch).values(expires=0.0))


def raise_watermark(connection: Connection, lease: Lease, value: float) -> float:
    """The pool's watermark after `value` was offered: it never goes back."""
    where = leases.c.pool == lease.pool, leases.c.shard == lease.shard
    current = float(connection.scalar(select(leases.c.watermark).where(*where)) or -1e18)
    if value > current:
        connection.execute(update(leases).where(*where).values(watermark=value))
    return max(value, current)


def holders(connection: Connection) -> list[dict[str, object]]:
    """All leases, for status pages."""
    return [dict(row._mapping) for row in connection.execute(select(leases).order_by(leases.c.pool))]
