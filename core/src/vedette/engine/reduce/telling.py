"""What the sinks are told of alerts: that one fires, and that it is over; a silence withholds it for its time.

That an alert is pending is in the history alone: it may go away as it came, and wakes nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from vedette.engine.bundle import Bundle
from vedette.engine.events import make_event
from vedette.store import leases, outbox, results, silences
from vedette.store.database import Store
from vedette.store.leases import Lease
from vedette.store.results import AlertState
from vedette_specs.results import Alert, Event


def announce(
    connection: Connection, bundle: Bundle, alert: Alert, before: AlertState, after: AlertState, at: float, now: float,
    hooks: bool = False,
) -> tuple[AlertState, Event]:  # fmt: skip
    """Write a change of an alert's state to the history, and to the outbox unless it is silenced.

    Returns `after` with what the sinks have been told, and the event.
    """
    model = bundle.plan.model
    silence = silences.covering(connection, model, alert.rule, alert.segment, now)
    body = alert.to_json() | {
        "time": at,
        "silenced": None if silence is None else silence.id,
        "acknowledged": json.loads(before.acknowledged) if before.acknowledged else None,
    }
    results.add_alert(connection, model, body, at)
    event = make_event(
        "alert", model, alert.monitor, alert.segment, at, body, alert.rule, alert.window, alert.state, at
    )
    if alert.state == "pending":
        return replace(after, told=before.told, withheld=before.withheld), event
    if (alert.state == "firing") == (before.told == "firing"):  # it is what they believe, or never heard of
        return replace(after, told=before.told, withheld=""), event
    if silence is not None:
        withheld = json.dumps(event.to_json(), default=str)
        return replace(after, told=before.told, withheld=withheld), event
    outbox.put(connection, bundle.plan, event, now, hooks)
    return replace(after, told=alert.state, withheld=""), event


def resolve(
    connection: Connection, bundle: Bundle, body: Mapping[str, Any], state: AlertState, reason: str, at: float,
    now: float,
) -> AlertState:  # fmt: skip
    """End a live alert that no evaluation will end. body: the alert, as stored.  reason: for its details."""
    fields = {k: v for k, v in body.items() if k in Alert.__dataclass_fields__}
    alert = Alert(**{**fields, "state": "resolved", "details": {**body.get("details", {}), "reason": reason}})
    ended = AlertState(judged=state.judged, memory=state.memory)
    if state.state == "firing":
        ended, _ = announce(connection, bundle, alert, state, ended, at, now, bundle.listened)
    model = bundle.plan.model
    results.put_alert_state(connection, model, alert.rule, alert.segment, alert.window, ended, alert.to_json())
    return ended


class Withheld:
    """Delivers what silences have withheld when they end. Runs under the lease of the default pool."""

    def __init__(self, store: Store, bundle: Bundle, hooks: bool) -> None:
        self.store = store
        self.bundle = bundle
        self.hooks = hooks

    def step(self, lease: Lease) -> None:
        with self.store.read() as connection:
            if not self._due(connection):
                return
        with self.store.write() as connection:
            leases.check(connection, lease)
            now = self.store.now(connection)
            for key, state in self._due(connection, lock=True):
                told = state.told
                if not state.acknowledged:  # who has acknowledged it knows; that it is over is then no news either
                    event = Event(**json.loads(state.withheld))
                    outbox.put(connection, self.bundle.plan, event, now, self.hooks)
                    told = str(event.payload["state"])
                results.set_told(connection, self.bundle.plan.model, key, told)

    def _due(self, connection: Connection, lock: bool = False) -> list[tuple[results.AlertKey, AlertState]]:
        found = results.withheld_alerts(connection, self.bundle.plan.model, lock)
        if not found:
            return []
        active = silences.listed(connection, self.bundle.plan.model, self.store.now(connection))
        return [(key, state) for key, state in found if not any(s.covers(key[0], key[1]) for s in active)]
