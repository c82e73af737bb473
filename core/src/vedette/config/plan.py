"""The resolved configuration: what YAML says, with every default filled in. The engine reads nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

from vedette_specs.hooks import ComponentKind
from vedette_specs.schema import Schema

DEFAULT_TICK = 1.0  # seconds: windows by rows, sequential and per-row detectors
DAY, QUARTER_HOUR = 86_400.0, 900.0  # seconds: calendar days begin at whole days of UTC, or quarters of an hour
BLOCKS = 20  # ticks that a window is cut into at least, where the spread between them is looked at
HALF_LIVES = 32  # how far a decaying window reaches back: what is older would count less than 2^-32 of a row
Payloads = Literal["flagged", "all", "none"] | float


@dataclass(frozen=True)
class ComponentSpec:
    """A component by its registered name, with validated options. alias: YAML's `as:`, unique in its monitor."""

    kind: ComponentKind
    use: str
    options: Mapping[str, Any] = field(default_factory=dict)
    alias: str = ""

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The component's values under the names that rules use: `as:` renames a single value, prefixes several."""
        if self.alias == self.use or not self.alias:
            return dict(values)
        if len(values) == 1:
            return {self.alias: next(iter(values.values()))}
        return {f"{self.alias}_{name}": value for name, value in values.items()}


@dataclass(frozen=True)
class WindowSpec:
    """A run of whole ticks. Exactly one of span (seconds), rows, lifetime, calendar, half_life or since.

    calendar: day, week, month, quarter or year, in the time zone `zone`.  half_life: seconds in which a row's weight
    halves.  since: a monitor that detects changes, whose last alarm begins the window; `span` is then the longest.
    every: rows for `rows`, else seconds; 0 for a calendar period that is only looked at when it is over.
    min_rows: fewer give status `insufficient`.  grace: seconds that a tick stays open after its end.
    """

    name: str
    span: float | None = None
    rows: int | None = None
    lifetime: bool = False
    calendar: str = ""
    zone: str = "UTC"
    half_life: float = 0.0
    since: str = ""
    every: float = 0.0
    min_rows: int = 1
    grace: float = 0.0

    @property
    def times(self) -> tuple[float, ...]:
        """Seconds of which a tick must be a divisor."""
        if self.rows is not None:
            return (DEFAULT_TICK,)
        days = (DAY if self.zone == "UTC" else QUARTER_HOUR,) if self.calendar else ()
        return tuple(t for t in (self.span, self.every, *days) if t)

    @property
    def reach(self) -> float:
        """Seconds that it reaches back, 0 where that is no time."""
        if self.calendar:
            return {"day": 2, "week": 8, "month": 32, "quarter": 93, "year": 367}[self.calendar] * DAY
        return (HALF_LIVES + 1) * self.half_life or self.span or 0.0


@dataclass(frozen=True)
class AlertSpec:
    """A rule. monitor: its home ("" for a rule over several). for_count evaluations or for_seconds of event time.

    keep_count, keep_seconds: a firing alert is resolved when the rule has not held for so many evaluations, so long.
    change: "", or the method that looks for a change of the number `when`.  run_lengths: by window ("" for a rule over
    several monitors, "tick" for a detector's ticks), the evaluations between two of its false alarms on average.
    """

    name: str
    when: str
    monitor: str = ""
    severity: str = "warn"
    for_count: int = 1
    for_seconds: float = 0.0
    keep_count: int = 1
    keep_seconds: float = 0.0
    change: str = ""
    run_lengths: Mapping[str, float] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """For people: what is alarming."""
        return f"{self.when} has changed ({self.change})" if self.change else self.when


@dataclass(frozen=True)
class CompareSpec:
    """Segments by `by` beside the one in which it is `base`; level of the intervals of the differences."""

    by: str
    base: str
    level: float = 0.95


@dataclass(frozen=True)
class ExplainSpec:
    """Explain flagged rows with an explainer, at most `at_most` per `per` seconds."""

    explainer: str
    at_most: int = 5
    per: float = 60.0


@dataclass(frozen=True)
class MonitorSpec:
    """One monitor: metrics (one or more components) or one detector, on one input.

    of: inputs, prediction, probabilities, labels, or `<monitor>.score`.
    fdr: false discovery rate of an outlier detector's flags, per tick.
    """

    name: str
    components: tuple[ComponentSpec, ...]
    of: str = "inputs"
    windows: tuple[WindowSpec, ...] = ()
    by: tuple[str, ...] = ()
    compare: CompareSpec | None = None
    preprocess: tuple[str, ...] = ()
    alert: AlertSpec | None = None
    explain: ExplainSpec | None = None
    pool: str = "default"
    fdr: float = 0.1

    @property
    def kind(self) -> ComponentKind:
        return self.components[0].kind

    @property
    def tick(self) -> float:
        """Length of a tick in seconds: the gcd of the windows' times, 1 s for windows by rows and detectors."""
        times = [t for w in self.windows for t in w.times]
        if not times:
            return DEFAULT_TICK
        tick = reduce(math.gcd, [max(1, round(t * 1000)) for t in times])
        if self.compare is not None:  # an interval needs a window of many ticks
            shortest = round(min(w.span or DAY for w in self.windows) * 1000)
            parts = [k for k in range(1, BLOCKS + 1) if tick % k == 0]
            tick //= next((k for k in parts if shortest * k >= BLOCKS * tick), parts[-1])
        return tick / 1000

    @property
    def source(self) -> str | None:
        """The monitor whose score this one reads, if any."""
        return self.of.split(".")[0] if "." in self.of else None


@dataclass(frozen=True)
class ExplainerSpec:
    name: str
    component: ComponentSpec
    background: int = 100
    max_rows: int = 2000
    max_calls: int = 100
    deadline: float = 10.0
    pool: str = "explain"


@dataclass(frozen=True)
class PreprocessorSpec:
    name: str
    component: ComponentSpec


@dataclass(frozen=True)
class PoolSpec:
    name: str
    min_replicas: int = 1
    max_replicas: int = 1
    cpus: float = 0.1


@dataclass(frozen=True)
class SinkSpec:
    """events: kinds that it wants (all when empty); severity: alert severities that it wants (all when empty)."""

    name: str
    component: ComponentSpec
    events: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptureSpec:
    """Where a call's parts are. Paths as in `body.rows`, `response.score`, `header.x-region`; "auto" decodes."""

    deployment: str | None = None
    method: str = "__call__"
    inputs: str = "auto"
    prediction: str = "auto"
    probabilities: str = "auto"
    id: str = "auto"
    time: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelsSpec:
    """join: `id` of the request, or the column or attribute whose value labels name.

    within: seconds after which a missing label is given up.  coverage: share that makes a window mature.
    """

    join: str = "id"
    within: float = 7 * 86400.0
    coverage: float = 0.9


@dataclass(frozen=True)
class TapSpec:
    buffer_rows: int = 100_000
    buffer_bytes: int = 64 << 20
    spool: str | None = None
    sync: bool = False


@dataclass(frozen=True)
class PrivacySpec:
    redact: tuple[str, ...] = ()
    payloads: Payloads = "flagged"


@dataclass(frozen=True)
class ServerSpec:
    """tokens: token -> scopes out of read, write, explain. Empty: no token is asked, loopback only."""

    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8200
    max_body: int = 16 << 20


@dataclass(frozen=True)
class Plan:
    """One model's monitoring, resolved. `source` is the YAML with variables unexpanded, for bundle and display."""

    model: str
    schema: Schema
    model_uri: str | None = None
    model_version: str | None = None
    reference: str | None = None
    store: str = "sqlite:///vedette.db"
    monitors: tuple[MonitorSpec, ...] = ()
    alerts: tuple[AlertSpec, ...] = ()
    explainers: tuple[ExplainerSpec, ...] = ()
    preprocessors: tuple[PreprocessorSpec, ...] = ()
    pools: tuple[PoolSpec, ...] = (PoolSpec("default"),)
    sinks: tuple[SinkSpec, ...] = ()
    capture: CaptureSpec = CaptureSpec()
    labels: LabelsSpec = LabelsSpec()
    tap: TapSpec = TapSpec()
    privacy: PrivacySpec = PrivacySpec()
    server: ServerSpec = ServerSpec()
    retention: float = 30 * 86400.0
    source: Mapping[str, Any] = field(default_factory=dict)

    def monitor(self, name: str) -> MonitorSpec:
        return next(m for m in self.monitors if m.name == name)

    def pool_monitors(self, pool: str) -> tuple[MonitorSpec, ...]:
        return tuple(m for m in self.monitors if m.pool == pool)

    @property
    def rules(self) -> tuple[AlertSpec, ...]:
        """All alert rules: the monitors' own, then those over several."""
        return (*(m.alert for m in self.monitors if m.alert is not None), *self.alerts)

    @property
    def worker_pools(self) -> tuple[str, ...]:
        """Pools that batches are shipped to; the first one also keeps the predictions."""
        used = {m.pool for m in self.monitors} | {"default"}
        return ("default", *sorted(used - {"default"}))


def fingerprint(spec: MonitorSpec, schema: Schema, state_versions: Mapping[str, int], fitted_digest: str) -> str:
    """Identity of a monitor's state: what changes it starts a new series (alert rules, sinks and pools do not)."""
    body = {
        "components": [[c.kind, c.use, dict(c.options), c.alias, state_versions[c.use]] for c in spec.components],
        "of": spec.of,
        "tick": spec.tick,
        "by": list(spec.by),
        "preprocess": list(spec.preprocess),
        "schema": schema.to_json(),
        "fitted": fitted_digest,
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]
