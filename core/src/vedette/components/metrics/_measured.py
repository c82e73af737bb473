"""Metrics that turn each value of a column into one number, and keep the moments of these."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.metrics.moments import Moments, moments_of
from vedette_specs import Batch, Column, Floats, Metric, Result, ResultContext, State
from vedette_specs.results import Value
from vedette_specs.schema import Kind

_SHOWN = {"mean": "", "sd": "_sd", "min": "_min", "max": "_max"}


class Measured(Metric):
    """Per column: the mean of the measure under its own name, and `<name>_sd` (n - 1), `<name>_min`, `<name>_max`."""

    MEASURE: ClassVar[str]
    KINDS: ClassVar[tuple[Kind, ...]]

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    @abstractmethod
    def measured(self, column: Column) -> Floats:
        """(n,) numbers; NaN where the value is missing or has no such number."""

    def create(self) -> State:
        return Moments().create()

    def add(self, state: State, batch: Batch) -> State:
        names = pick(batch, self.columns, *self.KINDS, who=self.MEASURE)
        x = np.empty((len(names), len(batch)))
        if len(batch):
            for i, name in enumerate(names):
                x[i] = self.measured(batch.inputs[name])
        return self.merge(state, moments_of(len(batch), names, x))

    def merge(self, left: State, right: State) -> State:
        return Moments().merge(left, right)

    def result(self, state: State, ctx: ResultContext) -> Result:
        return measured_result(self.MEASURE, Moments().result(state, ctx))


def measured_result(measure: str, moments: Result) -> Result:
    """A result of `Moments` under the name of what was measured."""
    values: dict[str, Value] = {measure + suffix: moments.values[key] for key, suffix in _SHOWN.items()}
    return Result(values, moments.n, moments.status, moments.details)
