"""From merged states to results: what a window's values are, under the names that rules use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vedette.config.plan import ComponentSpec, LabelsSpec, MonitorSpec, WindowSpec
from vedette.engine.bundle import Bundle
from vedette.engine.events import seed_of
from vedette.engine.reasons import INSUFFICIENT
from vedette.engine.reduce.windows import Span
from vedette_specs.codec import decode
from vedette_specs.components import Folded, Memory, Metric, ResultContext, Tick
from vedette_specs.results import Result, Status, json_number

NO_REFERENCE = {"reason": "no reference"}
_KNOWN: tuple[Status, ...] = ("immature", "ok")  # what a result is where not all metrics are insufficient


class ComponentFailed(RuntimeError):
    """A component raised on a state: its series is to be quarantined."""


@dataclass(frozen=True)
class Evaluator:
    """The components of one monitor at work on one segment."""

    bundle: Bundle
    spec: MonitorSpec
    segment: str

    def component(self, part: ComponentSpec) -> Metric | None:
        return self.bundle.metric(self.spec.name, part.alias, self.segment)

    def merge(self, left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
        """Merge states alias by alias; what one side lacks is the other's."""
        merged = {**left, **right}
        for part in self.spec.components:
            if part.alias in left and part.alias in right:
                component = self.component(part)
                if component is not None:
                    merged[part.alias] = self.guard(component.merge, left[part.alias], right[part.alias])
        return merged

    def scale(self, states: Mapping[str, Any], factor: float) -> dict[str, Any]:
        """The states of the same rows, each of which counts `factor` times as much."""
        scaled = dict(states)
        for part in self.spec.components:
            component = self.component(part)
            if component is not None and part.alias in scaled:
                scaled[part.alias] = self.guard(component.scale, scaled[part.alias], factor)
        return scaled

    def result(self, span: Span, window: str, start: float, end: float, revision: int) -> Result:
        """The monitor's result on a merged span of ticks.

        A metric that has too few rows says nothing of the others: the result is `insufficient` where all of them are,
        and names the values that are not to be relied on (`details.insufficient`) where some are.
        """
        seed = seed_of(self.spec.name, window, self.segment, end)
        ctx = ResultContext(window, self.segment, revision, start, end, seed)
        values: dict[str, Any] = {}
        details: dict[str, Any] = {}
        standing: set[Status] = set()
        unsure: list[str] = []
        for part in self.spec.components:
            component = self.component(part)
            if component is None:
                details[part.alias] = NO_REFERENCE
                continue
            state = span.states.get(part.alias)
            found = self.guard(component.result, component.create() if state is None else state, ctx)
            named = part.named(found.values)
            values.update(named)
            body = {k: v for k, v in found.to_json().items() if k not in ("values", "n", "status")}
            if rest := {**body.pop("details", {}), **body}:
                details[part.alias] = rest
            if found.status == "insufficient":
                unsure += named
            else:
                standing.add(found.status)
        if standing and unsure:
            details[INSUFFICIENT] = unsure
        status: Status = next((one for one in _KNOWN if one in standing), "insufficient")
        return Result(values, span.labelled if span.labelled else span.rows, status, details)

    def shares(self, span: Span) -> dict[str, Any]:
        """Of how many rows the values that are shares of rows are, under the names that they have in results."""
        found: dict[str, Any] = {}
        for part in self.spec.components:
            component, state = self.component(part), span.states.get(part.alias)
            if component is not None and state is not None:
                found.update(part.named(self.guard(_shares, component, state)))
        return found

    def fold(self, memory: Memory | None, states: Mapping[str, Any], tick: Tick) -> Folded:
        """The memory, after a tick, of a detector that has a reference."""
        part = self.spec.components[0]
        component: Any = self.component(part)
        state = states.get(part.alias)
        before = self.guard(component.start) if memory is None else memory
        folded = self.guard(component.fold, before, component.create() if state is None else state, tick)
        if folded.result.values.get("alarm"):
            return Folded(self.guard(component.start), folded.result, folded.scores)
        return Folded(folded.memory, folded.result, folded.scores)

    def guard(self, call: Any, *arguments: Any) -> Any:
        """The component's answer; ComponentFailed where it raises."""
        try:
            return call(*arguments)
        except Exception as error:
            raise ComponentFailed(f"{self.spec.name}: {type(error).__name__}: {error}") from error


def _shares(component: Metric, state: Mapping[str, Any]) -> dict[str, Any]:
    """Names of all values, as their number decides what `as:` makes of them; with None for what is no share."""
    rows = component.shares(dict(state))
    if not rows:
        return {}
    known = {
        name: {column: float(n) for column, n in of.items()} if isinstance(of, Mapping) else float(of)
        for name, of in rows.items()
    }
    return {name: known.get(name) for name in component.result(dict(state), ResultContext()).values}


def decode_states(data: bytes | None) -> dict[str, Any]:
    return {} if data is None else decode(data)


def with_labels(result: Result, span: Span, labels: LabelsSpec, end: float, watermark: float) -> Result:
    """Coverage, lag and maturity of a result on labelled rows."""
    coverage = span.labelled / span.rows if span.rows else None
    mature = (coverage is not None and coverage >= labels.coverage) or watermark >= end + labels.within
    status = result.status if mature else "immature"  # also without any label yet: they are still coming
    facts = {
        "coverage": coverage,
        "labelled": span.labelled,
        "predictions": span.rows,
        "lag": span.lag / span.labelled if span.labelled and math.isfinite(span.lag) else None,
        "mature": mature,
    }
    return Result(result.values, span.labelled, status, {**result.details, "labels": facts})


@dataclass(frozen=True)
class Judge:
    """A window that has ended: what results say of it. labels: None for a monitor that waits for none."""

    window: WindowSpec
    start: float
    end: float
    revision: int
    labels: LabelsSpec | None
    watermark: float

    def result(self, evaluator: Evaluator, span: Span) -> Result:
        found = evaluator.result(span, self.window.name, self.start, self.end, self.revision)
        if self.labels is not None:
            found = with_labels(found, span, self.labels, self.end, self.watermark)
        few = found.n < max(self.window.min_rows, 1) and found.status == "ok"
        return replace(found, status="insufficient") if few else found


def body_of(result: Result) -> dict[str, Any]:
    """What is stored and sent: the same JSON whoever computed it."""
    return {
        "values": json_number(result.values),
        "n": int(result.n),
        "status": result.status,
        "details": json_number(result.details),
    }
