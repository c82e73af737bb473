"""What a check works with: the component under test, data that fits it, and comparisons."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from vedette.testing.data import Example, MadeUpModel
from vedette_specs import (
    BaseComponent,
    Batch,
    ChangeDetector,
    ExplainContext,
    Explainer,
    Explanation,
    Fittable,
    Floats,
    Metric,
    OutlierDetector,
    Preprocessor,
    ResultContext,
    State,
    Tick,
)
from vedette_specs.codec import decode, encode

EXACT = 1e-9
SKETCH = 0.1  # for components whose tags say that they are not deterministic


class CheckFailed(AssertionError):
    """A component does not keep the contract; the message says where."""


class CheckSkipped(Exception):
    """A check that says nothing about this component; the message says why."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckFailed(message)


@dataclass(frozen=True)
class Subject:
    """A component under test.

    example: the made-up model whose traffic it gets.
    tolerance: of two results that should be the same, relative; by the tags when None.
    reference_rows: rows to fit on.
    delivered: for a sink: the ids of the events that have arrived at the other end, repetitions included.
    expected_failures: check -> reason; such a check must fail.
    """

    component: BaseComponent
    example: Example | None = None
    tolerance: float | None = None
    reference_rows: int = 2000
    delivered: Callable[[], Sequence[str]] | None = None
    expected_failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return type(self.component).__name__


class Lab:
    """The bench for one subject."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.tags = subject.component.tags
        tabular = {"numeric", "category"} & set(self.tags.modalities)
        self.model = MadeUpModel(subject.example or ("binary" if tabular else "embedding"))

    @property
    def tolerance(self) -> float:
        if self.subject.tolerance is not None:
            return self.subject.tolerance
        return EXACT if self.tags.deterministic else SKETCH

    @cached_property
    def reference(self) -> Batch:
        return self.model.rows(self.subject.reference_rows, seed=1)

    def traffic(self, n: int = 400, seed: int = 2, shift: float = 0.0) -> Batch:
        return self.model.rows(n, seed, shift)

    def new(self) -> Any:
        """An unfitted component bound to the model's schema."""
        return self.subject.component.clone().bind(self.model.schema)

    def fit(self, reference: Batch | None = None) -> Any:
        """A new component, fitted if it can be."""
        component = self.new()
        return component.fit(reference or self.reference) if isinstance(component, Fittable) else component

    @cached_property
    def _fitted(self) -> Any:
        return self.fit()

    def ready(self) -> Any:
        """A component fitted on `reference`; a copy of its own for every caller."""
        return copy.deepcopy(self._fitted)

    def use(self, component: Any, batch: Batch) -> Any:
        """What the component answers on some rows, as JSON values."""
        if isinstance(component, ChangeDetector):
            tick = Tick(0.0, 1.0, seed=5)
            return component.fold(component.start(), component.add(component.create(), batch), tick).result.to_json()
        if isinstance(component, Metric):
            return component.result(component.add(component.create(), batch), CONTEXT).to_json()
        if isinstance(component, OutlierDetector):
            return {"scores": component.outlier_scores(batch).tolist()}
        if isinstance(component, Preprocessor):
            return {name: column.to_list() for name, column in component.transform(batch).inputs.items()}
        if isinstance(component, Explainer):
            return [explanation.to_json() for explanation in self.explain(component, batch.take(slice(0, 3)))]
        return None

    def explain(self, explainer: Explainer, rows: Batch, context: ExplainContext | None = None) -> list[Explanation]:
        """Drive an explainer without any limit but the one in its context."""
        steps = explainer.steps(rows, context or ExplainContext(seed=3, max_rows=2000, outputs=self.outputs))
        try:
            ask = next(steps)
            while True:
                answer = [self.answer(a.rows) for a in ask] if isinstance(ask, list) else self.answer(ask.rows)
                ask = steps.send(answer)
        except StopIteration as stop:
            return list(stop.value)

    def answer(self, rows: Batch) -> Floats:
        return self.model.predict(rows)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.model.schema.classes or ("value",)


CONTEXT = ResultContext(window="w", segment="", revision=1, start=0.0, end=60.0, seed=5)


def pieces(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    """Consecutive parts of a batch, each with categories of its own as a decoder would find them."""
    cuts = np.cumsum([0, *sizes]).tolist()
    return [_recoded(batch.take(slice(a, b))) for a, b in pairwise(cuts)]


def _recoded(batch: Batch) -> Batch:
    from vedette_specs import category

    recoded = {k: category(c.strings().tolist()) for k, c in batch.inputs.items() if c.kind == "category"}
    return batch.replace(inputs={**batch.inputs, **recoded})


def through_bytes(state: State) -> Any:
    """The state as another replica reads it; arrays are read-only."""
    return decode(encode(state))


def size(state: State) -> int:
    return len(encode(state))


def json_text(value: Any) -> str:
    """`value` as JSON; CheckFailed where it has NaN, infinities or types that JSON does not know."""
    try:
        return json.dumps(value, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"the answer is not JSON: {error}") from error


def difference(left: Any, right: Any, tolerance: float, path: str = "") -> str | None:
    """Where two JSON values differ by more than `tolerance` (relative); None where they agree."""
    if isinstance(left, bool) or isinstance(right, bool) or not _number(left) or not _number(right):
        return _structural(left, right, tolerance, path)
    if left == right or (math.isnan(left) and math.isnan(right)):
        return None
    if (
        math.isfinite(left)
        and math.isfinite(right)
        and abs(left - right) <= tolerance * max(1.0, abs(left), abs(right))
    ):
        return None
    return f"{path or 'value'}: {left!r} against {right!r}"


def _structural(left: Any, right: Any, tolerance: float, path: str) -> str | None:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        if left.keys() != right.keys():
            return f"{path or 'value'}: keys {sorted(left)} against {sorted(right)}"
        found = (difference(left[k], right[k], tolerance, f"{path}.{k}".lstrip(".")) for k in left)
        return next((item for item in found if item), None)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        if len(left) != len(right):
            return f"{path or 'value'}: {len(left)} items against {len(right)}"
        pairs = enumerate(zip(left, right, strict=True))
        found = (difference(a, b, tolerance, f"{path}[{i}]") for i, (a, b) in pairs)
        return next((item for item in found if item), None)
    return None if left == right else f"{path or 'value'}: {left!r} against {right!r}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def same(left: Any, right: Any, tolerance: float, what: str) -> None:
    if found := difference(left, right, tolerance):
        raise CheckFailed(f"{what}: {found}")
