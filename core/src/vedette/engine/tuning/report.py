"""What a replayed history says about every rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.config.budgets import Budget
from vedette.config.plan import AlertSpec, Plan
from vedette.config.values import UNITS, format_duration
from vedette.engine.tuning.series import Recorder
from vedette.engine.tuning.stability import Shift, shift_of
from vedette.engine.tuning.thresholds import Proposal, propose

FIRST = 5  # alarms whose times are told
DAY = UNITS["d"]


class TooShort(ValueError):
    """The history says nothing about alarms as rare as that."""


@dataclass(frozen=True)
class History:
    """seconds: from the first row to the last."""

    start: float
    end: float
    rows: int

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def check(self, budget: Budget) -> None:
        """Raises TooShort where fewer than one alarm is expected in it. Windows are counted rule by rule."""
        if budget.seconds is not None and self.seconds <= 0.0:
            raise TooShort(f"the history has no length: {self.rows} rows at one time; {_shown(budget)} needs more")
        if budget.seconds is not None and budget.count * self.seconds < budget.seconds:
            raise TooShort(
                f"the history of {_days(self.seconds)} is too short for {_shown(budget)}: it supports 1 per "
                f"{_days(self.seconds)} at the rarest, so {_days(budget.seconds / budget.count)} of it are needed"
            )
        if budget.rows is not None and budget.count * self.rows < budget.rows:
            raise TooShort(
                f"the history of {self.rows} rows is too short for {_shown(budget)}: it supports 1 per {self.rows} "
                f"rows at the rarest, so {budget.rows / budget.count:.0f} rows are needed"
            )


@dataclass(frozen=True)
class Tuned:
    """One rule. times: of its first alarms.  allowed: alarms in this history; None where it is too short to say.

    shifts: (segment, window) -> where the values that a threshold is proposed from seem to change.
    """

    rule: AlertSpec
    alarms: int
    per_day: float | None
    times: tuple[float, ...]
    evaluations: int
    allowed: float | None
    proposal: Proposal | None
    when: str | None  # the rule with the proposed threshold
    note: str
    shifts: Mapping[tuple[str, str], Shift]

    def to_json(self) -> dict[str, Any]:
        found = self.proposal
        return {
            "rule": self.rule.name, "when": self.rule.said, "alarms": self.alarms, "alarms_per_day": self.per_day,
            "first_alarms": list(self.times), "evaluations": self.evaluations, "allowed": self.allowed,
            "threshold": None if found is None else found.value, "proposed": self.when,
            "alarms_proposed": None if found is None else found.alarms, "note": self.note,
            "shifts": [{"segment": s, "window": w, **vars(shift)} for (s, w), shift in self.shifts.items()],
        }  # fmt: skip


def tune(
    plan: Plan, changes: Sequence[Mapping[str, Any]], recorder: Recorder, history: History, budget: Budget
) -> list[Tuned]:
    """changes: of alerts in the replayed history."""
    return [_rule(rule, plan, changes, recorder, history, budget) for rule in plan.rules]


def _rule(
    rule: AlertSpec, plan: Plan, changes: Sequence[Mapping[str, Any]], recorder: Recorder, history: History,
    budget: Budget,
) -> Tuned:  # fmt: skip
    times = sorted(float(c["time"]) for c in changes if c["rule"] == rule.name and c["state"] == "firing")
    count = recorder.judged.get(rule.name, 0)
    allowed = _allowed(budget, history, count)
    proposal, note = None, _why_not(rule, plan, recorder, allowed, budget, count)
    threshold = recorder.rules.get(rule.name)
    if not note and threshold is not None and allowed is not None:
        proposal = propose(recorder.series(rule.name), rule, threshold, allowed)
    when = None if proposal is None or threshold is None else threshold.rule(proposal.value)
    of_rule = recorder.named(rule.name) if proposal is not None else {}
    shifts = {key: shift for key, one in of_rule.items() if (shift := shift_of(one)) is not None}
    per_day = len(times) * DAY / history.seconds if history.seconds > 0 else None
    return Tuned(rule, len(times), per_day, tuple(times[:FIRST]), count, allowed, proposal, when, note, shifts)


def _allowed(budget: Budget, history: History, evaluations: int) -> float | None:
    if budget.windows is not None:
        found = budget.count * evaluations / budget.windows
    elif budget.rows is not None:
        found = budget.count * history.rows / budget.rows
    else:
        found = budget.count * history.seconds / (budget.seconds or 1.0)
    return found if found >= 1.0 else None


def _why_not(
    rule: AlertSpec, plan: Plan, recorder: Recorder, allowed: float | None, budget: Budget, evaluations: int
) -> str:
    """Why no threshold is proposed; "" where one is."""
    if rule.change:
        return "its budget is 'false_alarms'"
    if rule.monitor and plan.monitor(rule.monitor).kind == "change":
        return "the detector has a budget of its own: 'false_alarms'"
    if rule.name not in recorder.rules:
        return "not one comparison of values with < or >"
    if allowed is None and not evaluations:
        return "it was never evaluated: no window had its values"
    if allowed is None:
        return f"too short: {evaluations} evaluations support 1 per {max(evaluations, 1)} windows at the rarest"
    return "" if recorder.series(rule.name) else "its value was never known"


def snippet(tuned: Sequence[Tuned]) -> dict[str, Any]:
    """The proposed rules as YAML to be laid on the configuration."""
    own = {t.rule.name: {"alert": _section(t)} for t in tuned if t.when is not None and t.rule.monitor}
    joint = {t.rule.name: _section(t) for t in tuned if t.when is not None and not t.rule.monitor}
    return {key: value for key, value in (("monitors", own), ("alerts", joint)) if value}


def _section(tuned: Tuned) -> dict[str, Any]:
    rule = tuned.rule
    return {
        "when": tuned.when,
        **_hold("for", rule.for_count, rule.for_seconds),
        **_hold("keep_firing_for", rule.keep_count, rule.keep_seconds),
        "severity": rule.severity,
    }


def _hold(key: str, count: int, seconds: float) -> dict[str, Any]:
    if seconds:
        return {key: format_duration(seconds)}
    return {key: count} if count > 1 else {}


def _days(seconds: float) -> str:
    if seconds < 3600.0:
        return f"{seconds / 60:.3g} min"
    if seconds < DAY:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / DAY:.3g} days"


def _shown(budget: Budget) -> str:
    if budget.seconds is not None:
        return f"'{budget.count:g} per {format_duration(budget.seconds)}'"
    return f"'{budget.count:g} per {budget.rows} rows'"
