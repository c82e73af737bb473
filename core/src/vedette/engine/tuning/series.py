"""The values that a rule was judged on, window by window, in the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vedette.config.plan import AlertSpec
from vedette.config.rules import Rule, parse
from vedette.config.rules_tree import Chain, Comparison, Negative, Number, Term
from vedette_specs import Floats, Mask

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Threshold:
    """`left sign number`, with the number on the right."""

    left: Term
    sign: str
    value: float

    @property
    def above(self) -> bool:
        """Whether large values are alarming."""
        return self.sign in (">", ">=")

    def rule(self, value: float) -> str:
        """The rule with another threshold."""
        number: Term = Number(value) if value >= 0 else Negative(Number(-value))
        return Comparison(self.left, self.sign, number).text()


def threshold_of(rule: AlertSpec) -> Threshold | None:
    """The threshold of a rule that is one comparison; None of all others.

    Of two sides that both vary it is that of their difference: `a > 1.2 * b` is `a - 1.2 * b > 0`.
    """
    if rule.change:
        return None
    root = parse(rule.when).root
    if not isinstance(root, Comparison) or root.sign not in _MIRRORED:
        return None
    if (value := _constant(root.right)) is not None and _varies(root.left):
        return Threshold(root.left, root.sign, value)
    if (value := _constant(root.left)) is not None and _varies(root.right):
        return Threshold(root.right, _MIRRORED[root.sign], value)
    if _varies(root.left) and _varies(root.right):
        return Threshold(Chain(root.left, (("-", root.right),)), root.sign, 0.0)
    return None


def _varies(term: Term) -> bool:
    return bool(Rule("", term).names)


def _constant(term: Term) -> float | None:
    """A number without values and functions in it."""
    if isinstance(term, Number):
        return term.value
    inner = _constant(term.of) if isinstance(term, Negative) else None
    return None if inner is None else -inner


@dataclass(frozen=True)
class Series:
    """(n,) event times and values of one window and segment, without those that are not known."""

    times: Floats
    values: Floats


@dataclass
class Recorder:
    """What the engine calls at every judgement: the left side of each rule that has a threshold is kept."""

    rules: Mapping[str, Threshold]
    judged: dict[str, int] = field(default_factory=dict)  # evaluations, known or not
    _found: dict[tuple[str, str, str], dict[float, float | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Sequence[AlertSpec]) -> Recorder:
        return cls({rule.name: found for rule in rules if (found := threshold_of(rule)) is not None})

    def __call__(self, rule: AlertSpec, scope: Any, segment: str, window: str, time: float) -> None:
        key = rule.name, segment, window
        seen = self._found.setdefault(key, {})
        if time in seen:  # a transaction that was tried again
            return
        self.judged[rule.name] = self.judged.get(rule.name, 0) + 1
        threshold = self.rules.get(rule.name)
        # a scope remembers what it was asked: the rule is to be asked afresh
        fresh = replace(scope, read=[])
        seen[time] = None if threshold is None else threshold.left.amount(fresh)

    def series(self, rule: str) -> list[Series]:
        """Of every window and segment, in the order in which windows were judged."""
        return list(self.named(rule).values())

    def named(self, rule: str) -> dict[tuple[str, str], Series]:
        """(segment, window) -> series, of those with a value."""
        found = {}
        for (name, segment, window), seen in self._found.items():
            known = [(time, value) for time, value in seen.items() if value is not None]
            if name == rule and known:
                times, values = (np.array(part, dtype=np.float64) for part in zip(*known, strict=True))
                found[segment, window] = Series(np.maximum.accumulate(times), values)
        return found


def firings(series: Series, holds: Mask, rule: AlertSpec) -> int:
    """How often the rule fires: runs that `for` finds long enough, without those that `keep_firing_for` joins to one.

    holds: (n,) evaluations in which it holds.
    """
    edges = np.diff(np.concatenate([[0], holds.astype(np.int8), [0]]))
    count, firing, ended = 0, False, 0
    for begin, end in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        if firing:
            lapsed = series.times[begin - 1] - series.times[ended]
            firing = begin - ended < rule.keep_count or lapsed < rule.keep_seconds
        held = series.times[end - 1] - series.times[begin]
        if not firing and end - begin >= rule.for_count and held >= rule.for_seconds:
            count, firing = count + 1, True
        ended = end
    return count
