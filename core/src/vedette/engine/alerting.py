"""Live alerts, silences and acknowledgements as questions and answers, JSON-ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette.config.faults import did_you_mean
from vedette.config.plan import Plan
from vedette.config.values import parse_duration
from vedette.engine.bad_request import BadRequest
from vedette.engine.result_filters import may_be_segment
from vedette.store import results, silences
from vedette.store.database import Store
from vedette.store.series import OTHER
from vedette.store.texts import storable

MAX_TEXT = 1000
MAX_NAME = 128
SILENCE_KEYS = ("rule", "segment", "for", "reason", "by")
ACKNOWLEDGE_KEYS = ("segment", "window", "by", "note")


@dataclass(frozen=True)
class Alerting:
    """Reads and writes go to the store: every replica, and every command, gives the same answers. Thread-safe."""

    store: Store
    plan: Plan

    def rules(self) -> list[str]:
        """The names of the declared rules: an alert of a monitor has the monitor's name."""
        return [rule.name for rule in self.plan.rules]

    def live(self) -> list[dict[str, Any]]:
        """What is pending or firing. acknowledged: by whom and when; silenced: the id of the silence on it."""
        with self.store.read() as connection:
            found = results.live_alerts(connection, self.plan.model)
            active = silences.listed(connection, self.plan.model, self.store.now(connection))
        return [
            {
                **body,
                "acknowledged": json.loads(state.acknowledged) if state.acknowledged else None,
                "silenced": next((s.id for s in active if s.covers(body["rule"], body["segment"])), None),
            }
            for body, state in found
        ]

    def silences(self, over: bool = False) -> list[dict[str, Any]]:
        """Active silences, newest first; with `over` those too that are over and still kept."""
        with self.store.read() as connection:
            now = self.store.now(connection)
            return [found.to_json(now) for found in silences.listed(connection, self.plan.model, now, over)]

    def silence(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Silence a rule: {"rule", "for" ("2h"), "reason"}, with optional "segment" (all where absent) and "by"."""
        _check_keys(request, SILENCE_KEYS)
        rule = self._rule(request.get("rule"))
        segment = None if request.get("segment") is None else _text(request, "segment", 256, empty=True)
        self._check_segment(rule, segment)
        try:
            seconds = parse_duration(request.get("for"))
        except ValueError as error:
            raise BadRequest("for", str(error)) from error
        reason, by = _text(request, "reason", MAX_TEXT), _text(request, "by", MAX_NAME, empty=True)
        with self.store.write() as connection:
            now = self.store.now(connection)
            found = silences.add(connection, self.plan.model, rule, segment, now + seconds, by, reason, now)
        return found.to_json(now)

    def end_silence(self, id: str) -> dict[str, Any] | None:
        """End a silence before its time; None where there is none of this id."""
        with self.store.write() as connection:
            now = self.store.now(connection)
            found = silences.end(connection, self.plan.model, id, now)
        return None if found is None else found.to_json(now)

    def acknowledge(self, rule: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Say that somebody looks after an alert; None where it is neither pending nor firing.

        {"by"}, with optional "segment" (all rows where absent), "window" (needed where several are live) and "note".
        """
        _check_keys(request, ACKNOWLEDGE_KEYS)
        self._rule(rule)
        segment = _text(request, "segment", 256, empty=True)
        window = None if request.get("window") is None else _text(request, "window", MAX_NAME, empty=True)
        by, note = _text(request, "by", MAX_NAME), _text(request, "note", MAX_TEXT, empty=True)
        live = [body for body in self.live() if (body["rule"], body["segment"]) == (rule, segment)]
        mine = [body for body in live if window in (None, body["window"])]
        if len(mine) > 1:
            raise BadRequest("window", f"which one? There are: {', '.join(body['window'] for body in mine)}")
        if not mine:
            return None
        with self.store.write() as connection:
            said = {"by": by, "note": note, "time": self.store.now(connection)}
            key = rule, segment, mine[0]["window"]
            if not results.acknowledge(connection, self.plan.model, key, json.dumps(said)):
                return None
        return {**mine[0], "acknowledged": said}

    def _check_segment(self, rule: str, segment: str | None) -> None:
        """BadRequest where the rule can have no such segment: such a silence would silence nothing, in silence."""
        if not segment or segment == OTHER:
            return
        monitor = next((r.monitor for r in self.plan.rules if r.name == rule), "")
        by = next((m.by for m in self.plan.monitors if m.name == monitor), ())
        if not by:
            raise BadRequest("segment", f"{segment!r}: {rule!r} has no segments; leave it out")
        if not may_be_segment(segment, by):
            form = ",".join(f"{name}=..." for name in by)
            raise BadRequest("segment", f"{segment!r} is no segment of {rule!r}; they are of the form {form}")

    def _rule(self, name: Any) -> str:
        known = self.rules()
        if name not in known:
            raise BadRequest("rule", f"there is no rule {name!r}{did_you_mean(str(name), known)}")
        return str(name)


def _check_keys(request: Any, known: tuple[str, ...]) -> None:
    if not isinstance(request, Mapping):
        raise BadRequest("body", f"an object with the keys {', '.join(known)} is expected")
    if unknown := sorted(set(request) - set(known)):
        raise BadRequest(unknown[0], f"unknown key{did_you_mean(unknown[0], known)}")


def _text(request: Mapping[str, Any], field: str, longest: int, empty: bool = False) -> str:
    value = request.get(field)
    if value is None and empty:
        return ""
    if value is None:
        raise BadRequest(field, "is missing")
    if not isinstance(value, str) or len(value) > longest or not (value or empty):
        raise BadRequest(field, f"{str(value)[:40]!r} is not a text of {0 if empty else 1} to {longest} characters")
    return storable(value)
