"""Metrics that each break one promise."""

from __future__ import annotations

import random
import threading

import numpy as np
from broken_registry import breaks

from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags, TwoStepMetric


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


@breaks("shares_are_shares")
class Portion(Count):
    def shares(self, state: State) -> dict[str, float]:
        return {"mean": state["n"]}


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
