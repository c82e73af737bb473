"""Alert rules on published results: pending, firing, resolved, as in Prometheus. A window is judged once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection

from vedette.config import rules
from vedette.config.plan import AlertSpec
from vedette.engine.bundle import Bundle
from vedette.engine.change_points.watching import Watch
from vedette.engine.events import event_id, seed_of
from vedette.engine.reasons import unreliable
from vedette.engine.reduce.stale import NO_DATA, lasts_until
from vedette.engine.reduce.telling import announce, resolve
from vedette.store import results
from vedette.store.results import AlertState, StoredResult
from vedette_specs.results import Alert, Event

Path = tuple[str, ...]
parse_rule = lru_cache(maxsize=512)(rules.parse)


@dataclass(frozen=True)
class ResultScope:
    """What a rule sees: the results by monitor name, the first of which is the rule's own."""

    connection: Connection
    bundle: Bundle
    found: Mapping[str, StoredResult]
    home: str
    silence: Callable[[float], bool | None]
    read: list[float] = field(default_factory=list)  # the values that the rule has looked at

    def value(self, path: Path, column: str | None) -> float | None:
        monitor, name = self._split(path)
        result = self.found.get(monitor)
        if result is None:
            return None
        found = known(result, name, column)
        if found is not None:
            self.read.append(found)
        return found

    def reference(self, path: Path, column: str | None) -> float | None:
        monitor, name = self._split(path)
        segment = self.found[monitor].segment if monitor in self.found else ""
        return pick(self.bundle.reference_values.get((monitor, segment), {}), name, column)

    def before(self, path: Path, column: str | None, seconds: float) -> float | None:
        monitor, name = self._split(path)
        result = self.found.get(monitor)
        if result is None:
            return None
        then = result.end - seconds
        oldest = then - max(seconds, result.end - result.start)  # beyond it lies a pause
        earlier = results.query(
            self.connection, result.model, monitor, result.window, result.segment,
            since=oldest, until=then, series=result.series, limit=1,
        )  # fmt: skip
        return known(earlier[0], name, column) if earlier else None

    def no_data(self, seconds: float) -> bool | None:
        return self.silence(seconds)

    def _split(self, path: Path) -> tuple[str, str]:
        return (path[0], path[1]) if len(path) == 2 else (self.home, path[0])


def known(result: StoredResult, name: str, column: str | None) -> float | None:
    """A result's value that may be acted on; None where it has none, or stands on too few rows or labels."""
    if result.status != "ok" or name in unreliable(result.body["details"]):
        return None
    return pick(result.body["values"], name, column)


def pick(values: Mapping[str, Any], name: str, column: str | None) -> float | None:
    """A result's value of this name, of one column where it has several; None where it is not known."""
    value = values.get(name)
    if column is not None:
        value = value.get(column) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def judge(
    connection: Connection,
    bundle: Bundle,
    rule: AlertSpec,
    found: Mapping[str, StoredResult],
    silence: Callable[[float], bool | None],
    now: float,
    hooks: bool = False,
    end: float | None = None,
    quiet_rows: int = 0,
    any_order: bool = False,
    memory: bytes | None = None,
) -> list[Event]:
    """Evaluate a rule on results and move its state; returns the events, which are queued for the sinks.

    The rule's home is its monitor; a rule over several monitors has one state, whatever their windows are.
    Nothing happens for windows that it has judged already, or that end before one which it has judged.
    any_order: labelled windows mature in any order; the caller sees to it that each comes once.
    memory: what the caller remembers of the rule from now on, in one transaction with its state.
    quiet_rows: a firing alert is resolved only after so many rows in which the rule did not hold.
    """
    home = rule.monitor or next(iter(found), "")
    first = found.get(rule.monitor)
    segment, window = (first.segment, first.window) if first is not None else ("", "")
    at = end if end is not None else max((r.end for r in found.values()), default=now)
    model = bundle.plan.model
    state = results.get_alert_state(connection, model, rule.name, segment, window, lock=True)
    if at <= state.judged and not any_order:
        return []
    until = lasts_until(bundle, home, window, state.judged)
    if state.state in results.LIVE and at > until:
        body = results.alert_body(connection, model, (rule.name, segment, window))
        state = resolve(connection, bundle, body, state, NO_DATA, until, now)
    scope = ResultScope(connection, bundle, found, home, silence)
    if bundle.judging is not None:
        bundle.judging(rule, scope, segment, window, at)
    details: dict[str, Any] = {"results": {n: r.id for n, r in found.items() if r.id}, "window_end": at}
    if rule.change:
        holds, value, memory, look = watch(rule, scope, state.memory, segment, window, at)
        details["change"] = look
    else:
        holds, memory = parse_rule(rule.when).evaluate(scope), memory or state.memory
        value = scope.read[0] if scope.read else None
    rows = first.n if first is not None else 0
    after, change = advance(state, None if holds is None else bool(holds), at, rule, rows, quiet_rows)
    began = state.since if change == "resolved" else after.since
    alert = Alert(rule.name, home, segment, window, change or _shown(after), rule.severity, began, value,
                  rule.said, details)  # fmt: skip
    after, events = replace(_remembering(state, after), memory=memory), []
    if change is not None:
        after, event = announce(connection, bundle, alert, state, after, at, now, hooks)
        events.append(event)
    results.put_alert_state(connection, model, rule.name, segment, window, after, alert.to_json())
    return events


def _remembering(before: AlertState, after: AlertState) -> AlertState:
    """What an evaluation does not touch; an acknowledgement ends with its alert."""
    acknowledged = "" if after.state == "inactive" else before.acknowledged
    return replace(after, told=before.told, withheld=before.withheld, acknowledged=acknowledged, memory=before.memory)


def watch(
    rule: AlertSpec, scope: ResultScope, memory: bytes | None, segment: str, window: str, end: float
) -> tuple[bool | None, float | None, bytes | None, dict[str, Any] | None]:
    """Feed a rule's number to its detector: (whether it has changed, the number, the memory, what it showed).

    Only the successive windows that do not overlap are fed, and what is not known is not.
    """
    value = parse_rule(rule.when).root.amount(scope)
    if value is None or not scope.found:
        return None, value, memory, None
    length = rule.run_lengths[window]
    numbers = sorted({result.series for result in scope.found.values()})
    key = event_id(rule.when, rule.change, length, *numbers)
    method: Any = rule.change
    before = Watch.from_bytes(memory, method, key, numbers[-1])
    if before is None:
        return None, value, memory, None
    if max(result.end for result in scope.found.values()) <= before.end:  # its labels came after those of a later one
        return None, value, replace(before, late=before.late + 1).to_bytes(), None
    if min(result.start for result in scope.found.values()) < before.end:
        return None, value, memory, None
    rng = np.random.default_rng(seed_of(rule.name, segment, window, end))
    after, look = before.feed(value, end, method, length, rng)
    return look.alarm, value, after.to_bytes(), look.to_json()


Change = Literal["pending", "firing", "resolved"]


def advance(
    state: AlertState, holds: bool | None, end: float, rule: AlertSpec, rows: int = 0, quiet_rows: int = 0
) -> tuple[AlertState, Change | None]:
    """The state after an evaluation on `rows` rows. Unknown neither advances nor resets."""
    end = max(end, state.judged)  # in the order in which windows mature: an earlier one is judged now
    state = replace(state, judged=end)
    if holds is None:
        return state, None
    if not holds:
        if state.state != "firing":
            return AlertState(judged=end), None
        lapsed = _lapsed(state, end, rows)
        over = lapsed.quiet >= quiet_rows and lapsed.lapsed >= rule.keep_count
        if over and end - lapsed.lapsed_since >= rule.keep_seconds:
            return AlertState(judged=end), "resolved"
        return lapsed, None
    since = state.since if state.count else end
    count = state.count + 1
    if state.state == "firing":
        return replace(state, count=count, quiet=0, lapsed=0, lapsed_since=0.0), None
    if count >= rule.for_count and end - since >= rule.for_seconds:
        return AlertState("firing", since, count, end), "firing"
    return AlertState("pending", since, count, end), "pending" if state.state != "pending" else None


def _lapsed(state: AlertState, end: float, rows: int) -> AlertState:
    """A firing alert after an evaluation in which its rule did not hold."""
    since = state.lapsed_since if state.lapsed else end
    return replace(state, quiet=state.quiet + rows, lapsed=state.lapsed + 1, lapsed_since=since)


def _shown(state: AlertState) -> Any:
    return state.state


def silent_for(at: float, last: float) -> Callable[[float], bool]:
    """What a rule asks: whether no row had come for more than so many seconds, at a time, after the last one."""
    return lambda seconds: at - last > seconds
