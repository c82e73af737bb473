"""Components that each break one promise, and the check that must notice."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vedette_specs import (
    Ask,
    BaseComponent,
    Batch,
    BatchSink,
    ChangeDetector,
    DriftDetector,
    Event,
    ExplainContext,
    Explainer,
    Explanation,
    Floats,
    Folded,
    Memory,
    Metric,
    OutlierDetector,
    Preprocessor,
    Result,
    ResultContext,
    Sink,
    State,
    Steps,
    Tags,
    Tick,
    TwoStepMetric,
    Verdict,
    numeric,
)

BROKEN: dict[str, BaseComponent] = {}  # check -> a component that fails it


def breaks(check: str, **options: Any) -> Any:
    def enter(cls: type[BaseComponent]) -> type[BaseComponent]:
        BROKEN[check] = cls(**options)
        return cls

    return enter


class Count(Metric):
    """Sound: counts rows and sums the ages that are finite."""

    def create(self) -> State:
        return {"n": 0, "sum": 0.0}

    def add(self, state: State, batch: Batch) -> State:
        ages = batch.inputs["age"].values
        return self.merge(state, {"n": len(batch), "sum": float(np.clip(ages[np.isfinite(ages)], 0, 200).sum())})

    def merge(self, left: State, right: State) -> State:
        return {"n": left["n"] + right["n"], "sum": left["sum"] + right["sum"]}

    def result(self, state: State, ctx: ResultContext) -> Result:
        known = state["n"] > 0
        return Result({"sum": state["sum"] if known else None}, state["n"], "ok" if known else "insufficient")


@breaks("options_are_annotated")
class WithoutTypes(Count):
    def __init__(self, bins=10) -> None:
        self.bins = bins


@breaks("clone_keeps_options", bins=5)
class Forgetful(Count):
    def __init__(self, bins: int = 10) -> None:
        self.bins = bins + 1


@breaks("leaves_no_thread")
class Threaded(Count):
    def add(self, state: State, batch: Batch) -> State:
        threading.Thread(target=threading.Event().wait, args=(0.5,), daemon=True).start()
        return super().add(state, batch)


@breaks("answers_do_not_depend_on_global_randomness")
class Rolling(Count):
    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"sum": random.random()}, state["n"])


@breaks("data_is_not_changed")
class Grabbing(Count):
    def add(self, state: State, batch: Batch) -> State:
        batch.inputs["age"].values[:] = 0.0
        return super().add(state, batch)


@breaks("takes_what_production_sends")
class Fragile(Count):
    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"sum": {"x": np.int64(3)}}, state["n"])  # type: ignore[dict-item]  # not JSON


@breaks("takes_no_rows")
class Averaging(Count):
    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"sum": 1 / state["n"]}, state["n"])


@breaks("create_is_neutral")
class Offset(Count):
    def create(self) -> State:
        return {"n": 1, "sum": 0.0}


@breaks("merge_is_commutative")
class Left(Count):
    def merge(self, left: State, right: State) -> State:
        return {"n": left["n"] + right["n"], "sum": left["sum"] or right["sum"]}


@breaks("merge_is_associative")
class Halving(Count):
    def merge(self, left: State, right: State) -> State:
        return {"n": left["n"] + right["n"], "sum": (left["sum"] + right["sum"]) / 2}


@breaks("scaling_goes_with_merging")
class Fading(Count):
    additive = ("sum",)

    def scale(self, state: State, factor: float) -> State:
        return {"n": state["n"], "sum": state["sum"] * factor + 1.0}


@breaks("merge_leaves_its_arguments")
class InPlace(Count):
    def merge(self, left: State, right: State) -> State:
        left["n"] += right["n"]
        left["sum"] += right["sum"]
        return left


@breaks("batching_does_not_matter")
class PerBatch(Count):
    def add(self, state: State, batch: Batch) -> State:
        return self.merge(state, {"n": len(batch), "sum": float(np.nanmedian(batch.inputs["age"].values))})


@breaks("state_survives_bytes")
class Keyed(Count):
    def create(self) -> State:
        return {"n": np.zeros(1), "sum": 0.0}

    def add(self, state: State, batch: Batch) -> State:
        state["n"][0] += len(batch)  # the arrays of a restored state are read-only
        return state

    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"rows": float(state["n"][0])}, int(state["n"][0]))


@breaks("result_leaves_the_state")
class Draining(Count):
    def result(self, state: State, ctx: ResultContext) -> Result:
        total, state["sum"] = state["sum"], 0.0
        return Result({"sum": total}, state["n"])


@breaks("labels_may_come_later")
class Remembering(TwoStepMetric):
    """Takes the labels out, and leaves what they said."""

    tags = Tags(needs_labels=True)

    def create(self) -> State:
        return {"n": 0, "labelled": 0, "yes": 0}

    def add_predicted(self, state: State, batch: Batch) -> State:
        return {**state, "n": state["n"] + len(batch)}

    def add_labelled(self, state: State, batch: Batch) -> State:
        assert batch.labels is not None
        yes = int((batch.labels.values == 1).sum())
        return {**state, "labelled": state["labelled"] + len(batch), "yes": state["yes"] + yes}

    def without_labels(self, state: State) -> State:
        return {**state, "labelled": 0}

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"yes": state["yes"] / state["n"] if state["n"] else None}, state["n"])


@breaks("nothing_seen_is_not_zero")
class Zero(Count):
    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"sum": state["sum"]}, state["n"])


@breaks("memory_is_bounded")
class Hoarding(Count):
    def create(self) -> State:
        return {"ages": np.empty(0)}

    def add(self, state: State, batch: Batch) -> State:
        return self.merge(state, {"ages": batch.inputs["age"].values})

    def merge(self, left: State, right: State) -> State:
        return {"ages": np.concatenate([left["ages"], right["ages"]])}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n = len(state["ages"])
        return Result({"median": float(np.median(state["ages"])) if n else None}, n, "ok" if n else "insufficient")


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
