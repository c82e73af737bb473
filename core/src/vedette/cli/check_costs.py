"""What a plan costs, measured: one batch of the reference through every component."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette.config.plan import ComponentSpec, MonitorSpec
    from vedette.engine.bundle import Bundle
    from vedette_specs import Batch, Metric

ROWS = 8192
REPEATS = 3
DAYS = {"day": 1.0, "week": 7.0, "month": 30.4, "quarter": 91.3, "year": 365.25}  # of periods of the calendar


@dataclass(frozen=True)
class Cost:
    """Of one component and one segment, at `rate` rows a second.

    panes: a second.  state_bytes: a second, where every tick holds its rows.  add_ms: a second, in the worker.
    fold_ms: a second, in the reducer: results of windows, folds of sequential detectors.
    """

    monitor: str
    component: str
    panes: float
    state_bytes: float
    add_ms: float
    fold_ms: float

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def measure(bundle: Bundle, reference: Batch, rate: float) -> Iterator[Cost]:
    """Costs of all components whose input the reference has."""
    from vedette.engine.bundle import fits, in_order
    from vedette.engine.work.views import NoInput, Views

    batch = reference.take(slice(0, ROWS))
    views = Views(batch, bundle.preprocessors)
    for spec in in_order(bundle.plan.monitors):
        try:
            seen = views.view(spec)
        except NoInput:
            continue
        for part in spec.components:
            metric = bundle.metric(spec.name, part.alias)
            if metric is not None and fits(metric, seen):
                yield _cost(metric, spec, part, seen, rate)


def _cost(metric: Metric, spec: MonitorSpec, part: ComponentSpec, seen: Batch, rate: float) -> Cost:
    from vedette_specs.codec import encode

    add_ms, state = _timed(lambda: metric.add(metric.create(), seen))
    tick_rows = seen.take(slice(0, max(1, min(len(seen), round(rate * spec.tick)))))
    tick_state = metric.add(metric.create(), tick_rows)
    per_tick = 1 / spec.tick
    return Cost(
        monitor=spec.name,
        component=part.alias,
        panes=per_tick,
        state_bytes=len(encode(tick_state)) * per_tick,
        add_ms=add_ms * rate / len(seen),
        fold_ms=_fold_ms(metric, spec, state, tick_state, rate),
    )


def _fold_ms(metric: Metric, spec: MonitorSpec, state: Any, tick_state: Any, rate: float) -> float:
    from vedette_specs import ChangeDetector, ResultContext, Tick

    if isinstance(metric, ChangeDetector):
        memory, tick = metric.start(), Tick(0.0, spec.tick)
        return _timed(lambda: metric.fold(memory, tick_state, tick))[0] / spec.tick
    used = state if spec.windows else tick_state
    once = _timed(lambda: metric.result(used, ResultContext()))[0]
    return once * sum(_results_a_second(spec, index, rate) for index in range(max(1, len(spec.windows))))


def _results_a_second(spec: MonitorSpec, index: int, rate: float) -> float:
    """A window's results; those by rows come at most once a tick."""
    if not spec.windows:
        return 1 / spec.tick
    window = spec.windows[index]
    if window.rows is not None:
        return min(rate / window.every, 1 / spec.tick)
    return 1 / (window.every or 86_400.0 * DAYS[window.calendar])


def _timed(work: Any) -> tuple[float, Any]:
    """(least milliseconds of some repeats, what `work` gave)."""
    times, found = [], None
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = work()
        times.append((time.perf_counter() - start) * 1000)
    return min(times), found
