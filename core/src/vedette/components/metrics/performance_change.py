"""How much of a change of performance the inputs explain, once labels have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.components.metrics._estimating import Wanted, refuse_matrix
from vedette.components.metrics._expected import estimates
from vedette.components.metrics._weights import find_column
from vedette.components.metrics.pape import Pape
from vedette_specs import Batch, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_OF = "realised_"  # prefix of the sums of what came of the labelled rows


class PerformanceChange(Pape):
    """Realised performance of labelled rows beside what was expected of them, and a split of its change.

    For each estimate `x`: `x` (realised), `x_reference` (on the reference), `x_covariate` = what `pape` expects of the
    rows minus the reference's: the part that other inputs explain; `x_concept` = realised minus what `pape` expects:
    the part that they do not, because labels of equal inputs have changed. The two add up to the change.

    estimate: one or several of `accuracy`, `precision`, `recall`, `f1`, `roc_auc`; as in `cbpe` when None.
    Other options and details are those of `pape`, which stands on the labelled rows only here. Where which rows get
    labels depends on what they are, so does this.
    Raises ValueError where the reference has no labels or no probabilities.
    """

    name = "performance_change"
    tags = Tags(needs_labels=True, needs_probabilities=True, learns=("labels", "probabilities"))

    def __init__(
        self,
        estimate: Wanted = None,
        columns: list[str] | None = None,
        calibrate: bool = True,
        alpha: float = 0.05,
        min_effective: int = 300,
        sample: int = 2000,
    ) -> None:
        refuse_matrix(estimate, self.name, "is not split")
        super().__init__(estimate, columns, calibrate, alpha, min_effective, sample=sample)

    def kept_columns(self) -> tuple[str, ...]:
        return tuple(self.encoding_["columns"]) if self.is_fitted() else ()

    def create(self) -> State:
        nothing = {f"{_OF}{key}": value for key, value in self.nothing_expected().items()}
        return {**super().create(), **nothing}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        given = self._with_inputs(batch)
        rows, truth = self.labelled_answers(given)
        part = self.part(state, given, rows)
        part["left_out"] = len(batch) - len(truth)
        certain = np.eye(len(self.schema.classes))[truth]
        came = self.expected(rows.p, certain, rows.predicted)
        return self.merge(state, {**part, **{f"{_OF}{key}": value for key, value in came.items()}})

    def _with_inputs(self, batch: Batch) -> Batch:
        """Where labels come later, the inputs are among the attributes that were kept with the prediction."""
        found = {name: find_column(batch, name) for name in self.encoding_["columns"]}
        return batch.replace(inputs={name: column for name, column in found.items() if column is not None})

    def result(self, state: State, ctx: ResultContext) -> Result:
        before: Mapping[str, Any] = self.reference_["realised"]
        expected = super().result(state, ctx)
        sums = {key.removeprefix(_OF): value for key, value in state.items() if key.startswith(_OF)}
        came = estimates(sums, self.wanted, self.schema) if state["n"] else {}
        values: dict[str, Value] = {}
        for name in self.wanted:
            realised, foreseen, reference = _number(came.get(name)), _number(expected.values[name]), before[name]
            values[name], values[f"{name}_reference"] = realised, reference
            values[f"{name}_covariate"] = _minus(foreseen, reference)
            values[f"{name}_concept"] = _minus(realised, foreseen)
        known = any(_number(came.get(name)) is not None for name in self.wanted)
        details = {**expected.details, "expected": dict(expected.values)}
        return Result(values, state["n"], "ok" if known else "insufficient", details)


def _number(value: Value) -> float | None:
    return value if isinstance(value, float) else None


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
