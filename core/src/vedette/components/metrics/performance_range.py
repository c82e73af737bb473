"""How much estimated performance depends on what is assumed to have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from vedette.components.metrics._domain import Domains, effective_rows
from vedette.components.metrics._estimating import Wanted, refuse_matrix
from vedette.components.metrics._labels import check_classes
from vedette.components.metrics.label_shift import LabelShift
from vedette.components.metrics.pape import Pape
from vedette_specs import Batch, Fittable, Metric, Result, ResultContext, Schema, State, Tags
from vedette_specs.results import Value

Choice = tuple[str, str]  # the method, and why


class PerformanceRange(Metric, Fittable):
    """The least (`<name>_low`) and largest (`<name>_high`) of what `cbpe`, `pape` and `label_shift` estimate, and the
    one whose assumption the window does not contradict (`<name>`).

    A range over assumptions, never a confidence interval: it says how much the answer depends on what has changed,
    which no data without labels can tell for certain. All three are wrong under concept drift.

    Chosen is `cbpe` where no shift of the inputs is seen; else `label_shift` where the reference, its classes weighted
    to the estimated shares, cannot be told from the window; else `pape`, or `cbpe` where too few rows of the reference
    are like the window's. The tests are those of `pape`, at level alpha.

    estimate: one or several of `accuracy`, `precision`, `recall`, `f1`, `roc_auc`; as in `cbpe` when None.
    calibrate, columns, alpha, sample: as in `pape`.
    details: `chosen`, `why`, and each method's own `values` and details under its name.
    Raises ValueError where the reference has no labels or no probabilities.
    """

    name: ClassVar[str] = "performance_range"
    tags = Tags(needs_probabilities=True, needs_inputs=True, learns=("labels", "probabilities"))

    parts_: dict[str, Mapping[str, Any]]

    def __init__(
        self,
        estimate: Wanted = None,
        columns: list[str] | None = None,
        calibrate: bool = True,
        alpha: float = 0.05,
        sample: int = 2000,
    ) -> None:
        refuse_matrix(estimate, self.name, "has no range: see cbpe")
        self.estimate = estimate
        self.columns = columns
        self.calibrate = calibrate
        self.alpha = alpha
        self.sample = sample
        self._parts()  # they judge the options

    def bind(self, schema: Schema) -> PerformanceRange:
        check_classes(schema, self.name)
        super().bind(schema)
        return self

    def _parts(self) -> tuple[Pape, LabelShift]:
        inputs = Pape(self.estimate, self.columns, self.calibrate, self.alpha, sample=self.sample)
        return inputs, LabelShift(self.estimate, self.calibrate, sample=self.sample)

    def _fitted(self) -> tuple[Pape, LabelShift]:
        self.check_fitted()
        inputs, classes = self._parts()
        inputs.bind(self.schema).from_state(self.parts_["pape"])
        classes.bind(self.schema).from_state(self.parts_["label_shift"])
        return inputs, classes

    def fit_batch(self, reference: Batch) -> None:
        parts = self._parts()
        for part in parts:
            part.bind(self.schema).fit_batch(reference)
        self.parts_ = {part.name: part.to_state() for part in parts}

    def create(self) -> State:
        return {part.name: part.create() for part in self._fitted()}

    def add(self, state: State, batch: Batch) -> State:
        return {part.name: part.add(state[part.name], batch) for part in self._fitted()}

    def merge(self, left: State, right: State) -> State:
        return {part.name: part.merge(left[part.name], right[part.name]) for part in self._fitted()}

    def result(self, state: State, ctx: ResultContext) -> Result:
        inputs, classes = self._fitted()
        seen = state["pape"]
        domains = inputs.compare(seen)
        found = {
            "cbpe": inputs.estimated(seen, seen, {}),
            "pape": inputs.judged(seen, domains),
            "label_shift": classes.result(state["label_shift"], ctx),
        }
        chosen, why = self._choice(inputs, classes, state, domains)
        values: dict[str, Value] = {}
        for name in inputs.wanted:
            known = [value for value in (one.values[name] for one in found.values()) if isinstance(value, float)]
            values[f"{name}_low"] = min(known, default=None)
            values[name] = found[chosen].values[name]
            values[f"{name}_high"] = max(known, default=None)
        parts = {name: {"values": dict(one.values), **one.details} for name, one in found.items()}
        return Result(values, seen["n"], found[chosen].status, {"chosen": chosen, "why": why, **parts})

    def _choice(self, inputs: Pape, classes: LabelShift, state: State, domains: Domains | None) -> Choice:
        if domains is None or domains.p_value > self.alpha:
            return "cbpe", "no shift of the inputs is seen"
        if self._only_classes(inputs, classes, state):
            return "label_shift", "the shares of the classes explain the shift"
        if inputs.usable(domains):
            return "pape", "the inputs have shifted, and the shares of the classes do not explain it"
        return "cbpe", "the inputs have shifted to where the reference has too few rows: no assumption can be tested"

    def _only_classes(self, inputs: Pape, classes: LabelShift, state: State) -> bool:
        """Whether the reference, weighted to the estimated shares, cannot be told from the window."""
        ratios = classes.ratios(state["label_shift"])
        weights = ratios[inputs.rows_["truth"]]
        if effective_rows(weights) < inputs.min_effective:
            return False
        domains = inputs.compare(state["pape"], weights)
        return domains is not None and domains.p_value > self.alpha
