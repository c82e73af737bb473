"""Preprocessors and detectors that each break one promise."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from broken_metrics import Count
from broken_registry import breaks

from vedette_specs import (
    Batch,
    ChangeDetector,
    DriftDetector,
    Floats,
    Folded,
    Memory,
    OutlierDetector,
    Preprocessor,
    Result,
    ResultContext,
    State,
    Tags,
    Tick,
    Verdict,
    numeric,
)


class Clipper(Preprocessor):
    """Sound: clips ages to those of the reference."""

    def fit_batch(self, reference: Batch) -> None:
        self.bounds_ = [
            float(np.nanmin(reference.inputs["age"].values)),
            float(np.nanmax(reference.inputs["age"].values)),
        ]

    def transform_batch(self, batch: Batch) -> Batch:
        return batch.with_inputs(age=numeric(np.clip(batch.inputs["age"].values, *self.bounds_)))


@breaks("fit_refuses_no_rows")
class Credulous(Clipper):
    def fit(self, reference: Any, schema: Any = None) -> Any:
        return super().fit(reference, schema) if len(reference) else self


@breaks("use_before_fit_is_refused")
class Hasty(Clipper):
    def rows(self, data: Any) -> Batch:
        return data


@breaks("fit_leaves_options")
class SelfTuning(Clipper):
    def __init__(self, tail: float | None = None) -> None:
        self.tail = tail

    def fit_batch(self, reference: Batch) -> None:
        super().fit_batch(reference)
        self.tail = 0.5


@breaks("fit_forgets_the_last_fit")
class Widening(Clipper):
    def fit_batch(self, reference: Batch) -> None:
        before = vars(self).get("bounds_")
        super().fit_batch(reference)
        if before:
            self.bounds_ = [max(before[0], self.bounds_[0]), max(before[1], self.bounds_[1])]


@breaks("fit_takes_missing_values")
class Strict(Clipper):
    def fit_batch(self, reference: Batch) -> None:
        if np.isnan(reference.matrix()).any():
            raise ValueError("there are values missing")
        super().fit_batch(reference)


@breaks("missing_column_is_named")
class Lenient(Clipper):
    def rows(self, data: Any) -> Batch:
        self.check_fitted()
        return data


@breaks("fitted_state_survives_bytes")
class Hidden(Clipper):
    def fit_batch(self, reference: Batch) -> None:
        super().fit_batch(reference)
        self.limit = self.bounds_[1] / 2  # fitted, but not called so

    def transform_batch(self, batch: Batch) -> Batch:
        limit = getattr(self, "limit", 1.0)
        return batch.with_inputs(age=numeric(np.minimum(batch.inputs["age"].values, limit)))


@breaks("rows_are_transformed_alone")
class Ranking(Clipper):
    def transform_batch(self, batch: Batch) -> Batch:
        ages = batch.inputs["age"].values
        return batch.with_inputs(age=numeric(ages - ages.mean() if len(ages) else ages))


@breaks("rows_keep_what_is_not_input")
class Dropping(Clipper):
    def transform_batch(self, batch: Batch) -> Batch:
        return Batch(inputs=super().transform_batch(batch).inputs, schema=batch.schema)


class Coin(DriftDetector):
    """Calls every window what `answer` says."""

    answer: ClassVar[bool] = True

    def fit_batch(self, reference: Batch) -> None:
        self.n_ = len(reference)

    def create(self) -> State:
        return {"n": 0}

    def add(self, state: State, batch: Batch) -> State:
        return {"n": state["n"] + len(batch)}

    def merge(self, left: State, right: State) -> State:
        return {"n": left["n"] + right["n"]}

    def result(self, state: State, ctx: ResultContext) -> Verdict:
        drifted = self.answer if state["n"] else None
        return Verdict.of((), n=state["n"], drifted=drifted, p_value=None, correction="none")


@breaks("quiet_on_the_reference")
class Alarmist(Coin):
    pass


@breaks("fires_on_a_shift")
class Sleeper(Coin):
    answer: ClassVar[bool] = False


class Watch(ChangeDetector):
    """Sound: alarms when the mean of a tick's ages is 10 above the reference's."""

    def fit_batch(self, reference: Batch) -> None:
        self.mean_ = float(np.nanmean(reference.inputs["age"].values))

    def create(self) -> State:
        return Count().create()

    def add(self, state: State, batch: Batch) -> State:
        return Count().add(state, batch)

    def merge(self, left: State, right: State) -> State:
        return Count().merge(left, right)

    def start(self) -> Memory:
        return {"ticks": 0}

    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        alarm = state["n"] > 0 and state["sum"] / state["n"] > self.mean_ + 10
        return Folded({"ticks": memory["ticks"] + 1}, Result({"alarm": float(alarm)}, state["n"]))


@breaks("no_alarm_without_change")
class Nervous(Watch):
    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        return Folded({"ticks": memory["ticks"] + 1}, Result({"alarm": float(memory["ticks"] > 10)}, state["n"]))


@breaks("alarm_after_a_change")
class Deaf(Watch):
    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        return Folded(memory, Result({"alarm": 0.0}, state["n"]))


@breaks("fold_leaves_its_arguments")
class Counting(Watch):
    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        memory["ticks"] += 1
        return Folded(memory, Result({"alarm": 0.0, "ticks": float(memory["ticks"])}, state["n"]))


@breaks("memory_of_folds_is_bounded")
class Diarist(Watch):
    def start(self) -> Memory:
        return {"means": np.empty(0), "ticks": 0}

    def fold(self, memory: Memory, state: State, tick: Tick) -> Folded:
        folded = super().fold(memory, state, tick)
        diary = np.append(memory["means"], np.full(20, state["sum"]))
        return Folded({"means": diary, **folded.memory}, folded.result)


class Distance(OutlierDetector):
    """Sound: distance of the age from the reference's mean."""

    tags = Tags(modalities=("numeric",))

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        self.mean_ = float(np.nanmean(reference.inputs["age"].values))

    def score_batch(self, batch: Batch) -> Floats:
        return np.abs(batch.inputs["age"].values - self.mean_)


@breaks("a_score_depends_on_its_row_only")
class Relative(Distance):
    def score_batch(self, batch: Batch) -> Floats:
        return np.argsort(np.argsort(super().score_batch(batch))).astype(np.float64)


@breaks("scoring_leaves_the_detector")
class Learning(Distance):
    def score_batch(self, batch: Batch) -> Floats:
        scores = super().score_batch(batch)
        if len(batch) > 500 and "calibration_" in vars(self):
            self.mean_ += 1.0
        return scores


@breaks("strange_rows_score_higher")
class Backwards(Distance):
    def score_batch(self, batch: Batch) -> Floats:
        return -super().score_batch(batch)


@breaks("p_values_are_valid")
class Overfitted(Distance):
    def fit(self, reference: Any, schema: Any = None) -> Any:
        super().fit(reference, schema)
        self.calibration_ = self.calibration_ * 0.1
        return self
