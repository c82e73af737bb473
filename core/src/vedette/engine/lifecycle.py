"""Deploying a bundle: which monitors keep their state, which begin a new series, which end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec
from vedette.engine.bundle import Bundle
from vedette.engine.differences import what_changes, why_restarted
from vedette.engine.reduce.telling import resolve
from vedette.engine.running import pool_id
from vedette.store import results, series
from vedette.store.database import Store
from vedette.store.series import Series

logger = logging.getLogger("vedette.deploy")
Action = Literal["start", "keep", "restart", "retire"]


@dataclass(frozen=True)
class Change:
    """What a deploy does to one monitor."""

    monitor: str
    action: Action
    reason: str
    series: int | None = None


def diff(store: Store, bundle: Bundle) -> list[Change]:
    """What `deploy` would do; writes nothing."""
    with store.read() as connection:
        return _changes(connection, bundle)


def deploy(store: Store, bundle: Bundle) -> list[Change]:
    """Make the bundle the one that its model's monitors run on. Doing it again changes nothing."""
    plan = bundle.plan
    with store.write() as connection:
        now = store.now(connection)
        series.put_bundle(connection, bundle.digest, plan.model, bundle.to_bytes(), now)
        series.deployed(connection, plan.model, lock=True)
        changes = _changes(connection, bundle)
        for change in sorted(changes, key=_by_series):
            _apply(connection, bundle, change, now)
        rules = {rule.name for rule in [*plan.alerts, *(m.alert for m in plan.monitors if m.alert is not None)]}
        _resolve_alerts(connection, bundle, lambda body: body["rule"] not in rules, now)
        series.deploy(connection, plan.model, bundle.digest, now)
    return changes


def _by_series(change: Change) -> tuple[bool, int]:
    """Rows of series are locked in order of id, as everywhere; new ones, which nobody waits for, come last."""
    return change.series is None, change.series or 0


def _changes(connection: Connection, bundle: Bundle) -> list[Change]:
    plan = bundle.plan
    running = {s.monitor: s for s in series.active(connection, plan.model)}
    before = _deployed_monitors(connection, bundle)
    changes = [_change(bundle, spec.name, running.get(spec.name), before.get(spec.name)) for spec in plan.monitors]
    gone = running.keys() - {spec.name for spec in plan.monitors}
    return changes + [Change(name, "retire", "no longer declared", running[name].id) for name in sorted(gone)]


def _deployed_monitors(connection: Connection, bundle: Bundle) -> dict[str, MonitorSpec]:
    """Those of the bundle that is deployed now; none where it cannot be read in this place any more."""
    digest = series.deployed(connection, bundle.plan.model)
    body = None if digest in (None, bundle.digest) else series.get_bundle(connection, digest or "")
    if body is None:
        return {}
    try:
        plan = Bundle.from_bytes(body, bundle.registry).plan
    except (ValueError, LookupError) as error:  # a variable that is not set here, a plugin that is not installed
        logger.info("the bundle %s, deployed before, cannot be read to tell what changes: %s", digest, error)
        return {}
    return {spec.name: spec for spec in plan.monitors}


def _change(bundle: Bundle, monitor: str, old: Series | None, before: MonitorSpec | None) -> Change:
    if old is None:
        return Change(monitor, "start", "new")
    spec = bundle.plan.monitor(monitor)
    if old.fingerprint != bundle.fingerprint(monitor, bundle.plan.model_version or ""):
        return Change(monitor, "restart", why_restarted(before, spec), old.id)
    if old.pool != pool_id(bundle.plan.model, spec.pool):
        # both pools have been sent the same rows: what each has counted must not add up
        return Change(monitor, "restart", "it moves to another pool", old.id)
    if old.status == "quarantined":
        return Change(monitor, "restart", f"was quarantined: {old.reason}", old.id)
    return Change(monitor, "keep", what_changes(before, spec), old.id)


def _apply(connection: Connection, bundle: Bundle, change: Change, now: float) -> None:
    model = bundle.plan.model
    if change.series is not None and change.action in ("restart", "retire"):
        series.retire(connection, change.series, change.reason, now)
        _resolve_alerts(connection, bundle, lambda body: body["monitor"] == change.monitor, now)
    if change.action in ("keep", "retire"):
        return
    spec = bundle.plan.monitor(change.monitor)
    pool = pool_id(model, spec.pool)
    mark = bundle.fingerprint(change.monitor, bundle.plan.model_version or "")
    series.start(connection, model, change.monitor, pool, mark, bundle.digest, spec.tick, now)


def _resolve_alerts(
    connection: Connection, bundle: Bundle, ends: Callable[[Mapping[str, Any]], bool], now: float
) -> None:
    """Alerts of series and rules that end are resolved, since nobody would ever do so."""
    model = bundle.plan.model
    for body, state in results.live_alerts(connection, model):
        if ends(body):
            resolve(connection, bundle, body, state, "config_changed", now, now)
