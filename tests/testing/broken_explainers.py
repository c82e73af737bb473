"""Explainers and sinks that each break one promise."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from broken_registry import breaks

from vedette_specs import Ask, Batch, BatchSink, Event, ExplainContext, Explainer, Explanation, Sink, Steps


class Constant(Explainer):
    """Sound: asks for the rows themselves, and explains that nothing matters."""

    def fit_batch(self, reference: Batch) -> None:
        self.names_ = list(reference.inputs)

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows)
        return self.explanations(len(rows), {})

    def explanations(self, n: int, data: Mapping[str, Any]) -> list[Explanation]:
        return [Explanation("Constant", copy.deepcopy(dict(data))) for _ in range(n)]


@breaks("one_explanation_a_row")
class Single(Constant):
    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows)
        return self.explanations(1, {})


@breaks("the_same_request_has_the_same_answer")
class Drawn(Constant):
    rng: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows)
        return self.explanations(len(rows), {"drawn": float(self.rng.random())})


@breaks("rows_asked_stay_within_the_budget")
class Greedy(Constant):
    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows.repeat(1001))
        return self.explanations(len(rows), {})


@breaks("asks_for_rows_of_the_model")
class Narrow(Constant):
    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows.with_inputs(extra=rows.inputs["age"]))
        return self.explanations(len(rows), {})


@breaks("a_spent_budget_still_answers")
class Stubborn(Constant):
    """Does not catch BudgetExhausted (nor does Constant)."""


@breaks("attributions_add_up")
class Wrong(Constant):
    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        yield Ask(rows)
        data = {"shap_values": {">50K": {"age": 0.5}}, "expected_value": {">50K": 0.9}}
        return self.explanations(len(rows), data)


class Keeping(Sink):
    """Sound: keeps ids in a list that outlives it."""

    delivered: ClassVar[list[str]] = []

    def emit(self, event: Event) -> None:
        if event.id not in self.delivered:
            self.delivered.append(event.id)


@breaks("every_kind_of_event_is_taken")
class Choosy(Keeping):
    def emit(self, event: Event) -> None:
        if event.kind == "alert":
            super().emit(event)


@breaks("an_event_is_delivered_once")
class Doubling(Keeping):
    def emit(self, event: Event) -> None:
        self.delivered.append(event.id)


class KeepingMany(BatchSink):
    """Sound: keeps ids in a list that outlives it."""

    def emit_many(self, events: Sequence[Event]) -> None:
        Keeping.delivered.extend(event.id for event in events if event.id not in Keeping.delivered)


@breaks("many_events_are_each_delivered_once")
class Last(KeepingMany):
    def emit_many(self, events: Sequence[Event]) -> None:
        super().emit_many(events[-1:])
