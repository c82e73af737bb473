"""What components answer: results, verdicts, explanations, and the events made of them. All have a JSON form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Value = float | None | Mapping[str, float | None]
Status = Literal["ok", "insufficient", "immature"]
EventKind = Literal["result", "alert", "explanation", "component_failed"]


def json_number(value: Any) -> Any:
    """JSON has no NaN or infinity: they become None; mappings and sequences are walked."""
    if isinstance(value, Mapping):
        return {str(key): json_number(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_number(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True)
class Result:
    """Named values of one window of one segment.

    values: name -> number, or name -> {column: number}; None means "not known", never zero.
    n: rows that the values stand on.  status: `insufficient` too few rows, `immature` labels still coming.
    details: whatever else a person wants to see (bounds, curves, flagged rows), JSON-ready.
    """

    values: Mapping[str, Value]
    n: int
    status: Status = "ok"
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "values": json_number(self.values),
            "n": int(self.n),
            "status": self.status,
            "details": json_number(self.details),
        }


@dataclass(frozen=True)
class FeatureVerdict:
    """One feature's (or the joint) comparison with the reference.

    test: name of the test.  statistic: its value.  p_value: None for a pure distance.
    effect: effect size on a scale that does not grow with n.  n_reference, n: rows without missing values.
    drifted: the decision after correction; None where there were too few rows to decide.
    """

    feature: str
    test: str
    statistic: float | None
    p_value: float | None
    effect: float | None
    n_reference: int
    n: int
    drifted: bool | None

    def to_json(self) -> dict[str, Any]:
        return {key: json_number(value) for key, value in self.__dict__.items()}


@dataclass(frozen=True)
class Verdict(Result):
    """A drift test's answer. `values` always has `drifted` (1, 0 or None), `p_value` and `features_drifted`."""

    features: tuple[FeatureVerdict, ...] = ()
    drifted: bool | None = None
    p_value: float | None = None
    correction: str = "none"

    @classmethod
    def of(
        cls,
        features: tuple[FeatureVerdict, ...],
        *,
        n: int,
        drifted: bool | None,
        p_value: float | None,
        correction: str,
        details: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """Build the named values from the per-feature verdicts."""
        decided = [f for f in features if f.drifted is not None]
        values: dict[str, Value] = {
            "drifted": None if drifted is None else float(drifted),
            "p_value": p_value,
            "features_drifted": float(sum(bool(f.drifted) for f in decided)) if decided else None,
            "statistic": {f.feature: f.statistic for f in features},
            "feature_p_value": {f.feature: f.p_value for f in features},
            "effect": {f.feature: f.effect for f in features},
        }
        return cls(
            values=values,
            n=n,
            status="insufficient" if drifted is None else "ok",
            details=details or {},
            features=features,
            drifted=drifted,
            p_value=p_value,
            correction=correction,
        )

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {
            "drifted": self.drifted,
            "p_value": json_number(self.p_value),
            "correction": self.correction,
            "features": [feature.to_json() for feature in self.features],
        }


@dataclass(frozen=True)
class Explanation:
    """An explanation of one row, in the shape that clients of Alibi, KServe and MLServer know."""

    name: str
    data: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: tuple[str, ...] = ("blackbox",)
    scope: tuple[str, ...] = ("local",)
    version: str = "1"
    budget_exhausted: bool = False

    def to_json(self) -> dict[str, Any]:
        meta = {
            "name": self.name,
            "type": list(self.kind),
            "explanations": list(self.scope),
            "params": json_number(self.params),
            "version": self.version,
            "budget_exhausted": self.budget_exhausted,
        }
        return {"meta": meta, "data": json_number(self.data)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Explanation:
        meta = body["meta"]
        return cls(
            name=meta["name"],
            data=body["data"],
            params=meta.get("params", {}),
            kind=tuple(meta.get("type", ("blackbox",))),
            scope=tuple(meta.get("explanations", ("local",))),
            version=str(meta.get("version", "1")),
            budget_exhausted=bool(meta.get("budget_exhausted", False)),
        )


@dataclass(frozen=True)
class Alert:
    """A rule's state for one segment and window. Times are event time, seconds since the epoch."""

    rule: str
    monitor: str
    segment: str
    window: str
    state: Literal["inactive", "pending", "firing", "resolved"]
    severity: str
    since: float
    value: float | None
    when: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {key: json_number(value) for key, value in self.__dict__.items()}


@dataclass(frozen=True)
class Event:
    """What sinks get. `id` is the same however often the event is delivered."""

    id: str
    kind: EventKind
    model: str
    monitor: str
    segment: str
    time: float
    payload: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {key: json_number(value) for key, value in self.__dict__.items()}
