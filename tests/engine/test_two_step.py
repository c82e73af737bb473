"""Metrics that see rows when they are predicted, and once more when their labels come: aipw_accuracy in the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.engine.harness import Harness, Key
from tests.engine.traffic import (
    SCHEMA,
    LabelsSpec,
    by_rows,
    metric,
    monitor,
    plan_of,
    rows,
    same,
    tumbling,
)

from vedette.components.metrics.aipw_accuracy import AipwAccuracy
from vedette.engine.run.replay import replay
from vedette.engine.service import Service
from vedette.plugins import get_registry
from vedette_specs import Batch, ResultContext, category, concat
from vedette_specs.results import json_number

PLAN = plan_of(
    monitor("whole", metric("accuracy"), metric("aipw_accuracy", columns=["c"]), windows=[tumbling(10), by_rows(10)],
            by=("region",)),
    labels=LabelsSpec(within=1000.0),
)  # fmt: skip


@pytest.fixture
def engine() -> Harness:
    return Harness(PLAN)


def sent(engine: Harness, n: int, at: float | None = None) -> tuple[Batch, list[Key]]:
    """Rows with probabilities that go with their prediction."""
    keys = [(f"q{engine.seq + 1}", i) for i in range(n)]
    batch = rows(engine.rng, np.full(n, engine.store.time if at is None else at), keys)
    assert batch.prediction is not None
    sure = 0.5 + engine.rng.random(n) / 2
    p = np.where(batch.prediction.values == 1, sure, 1 - sure)
    batch = batch.replace(probabilities=np.column_stack([1 - p, p]))
    engine.send_batch(batch)
    return batch, keys


def give(engine: Harness, values: dict[Key, str]) -> None:
    engine.time(0.5)
    Service(engine.store, engine.bundle).feedback(
        [{"id": key[0], "row": key[1], "label": value} for key, value in values.items()]
    )


def expected(batch: Batch, given: dict[Key, str]) -> dict[str, Any]:
    """segment -> values of all rows and the labels in force, computed without the engine."""
    assert batch.ids is not None
    assert batch.rows is not None
    keys = list(zip(batch.ids.tolist(), batch.rows.tolist(), strict=True))
    whole = batch.replace(labels=category([given.get(key) for key in keys], SCHEMA.classes))
    component = AipwAccuracy(columns=["c"]).bind(SCHEMA)
    found = {}
    for region in ("eu", "us"):
        part = whole.take(batch.attributes["region"].strings() == region)
        state = component.add(component.create(), part)
        found[f"region={region}"] = json_number(component.result(state, ResultContext()).values)
    return found


def check(engine: Harness, window: str, batch: Batch, given: dict[Key, str]) -> None:
    engine.settle()
    wanted = expected(batch, given)
    got = {r.segment: r.body for r in engine.results("whole", window)}
    assert got.keys() == wanted.keys()
    for segment, body in got.items():
        values = {name: body["values"][name] for name in ("aipw_accuracy", "labelled_accuracy")}
        assert same(values, wanted[segment]), (segment, values, wanted[segment])
        if body["details"]["labels"]["labelled"]:
            rows_there = body["details"]["aipw_accuracy"]["rows"]
            assert rows_there == body["details"]["labels"]["predictions"]
            assert body["n"] == body["details"]["labels"]["labelled"]


def test_rows_are_counted_before_any_label_comes_and_late_rows_too(engine: Harness) -> None:
    batch, keys = sent(engine, 60)
    check(engine, "10s", batch, {})
    given = dict.fromkeys(keys[::3], "yes")
    give(engine, given)
    check(engine, "10s", batch, given)
    more, later = sent(engine, 30, at=engine.start)
    give(engine, dict.fromkeys(later[::2], "no"))
    check(engine, "10s", concat([batch, more]), given | dict.fromkeys(later[::2], "no"))
    assert engine.series("whole").status == "active"


def test_corrections_keep_what_was_counted_of_rows_without_a_label(engine: Harness) -> None:
    batch, keys = sent(engine, 60)
    given = dict.fromkeys(keys[:30], "yes")
    give(engine, given)
    check(engine, "10s", batch, given)
    check(engine, "10 rows", batch, given)
    for value in ("no", "yes", "no"):
        given |= dict.fromkeys(keys[10:20], value)
        give(engine, dict.fromkeys(keys[10:20], value))
        check(engine, "10s", batch, given)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_rows_labels_corrections_and_checkpoints_equals_one_pass(seed: int) -> None:
    engine, rng = Harness(PLAN), np.random.default_rng(seed)
    batches: list[Batch] = []
    known: list[Key] = []
    given: dict[Key, str] = {}
    for _ in range(20):
        if rng.random() < 0.4 or not known:
            batch, keys = sent(engine, 12, at=engine.start + float(rng.random()))
            batches.append(batch)
            known += keys
        else:
            some = [known[i] for i in rng.integers(0, len(known), 6)]
            values = {key: str(rng.choice(SCHEMA.classes)) for key in some}
            give(engine, values)
            given |= values
        if rng.random() < 0.4:
            engine.reduce(engine.store.time + float(rng.choice([-5.0, 50.0])))
    check(engine, "10s", concat(batches), given)


def test_replay_equals_live(engine: Harness) -> None:
    batch, keys = sent(engine, 80)
    given = dict.fromkeys(keys[::4], "yes")
    give(engine, given)
    engine.settle()
    items = [{"id": key[0], "row": key[1], "label": value} for key, value in given.items()]
    service = replay(engine.bundle, get_registry(), batch, items)
    live = {r.segment: r.body["values"] for r in engine.results("whole", "10s")}
    assert same({r["segment"]: r["values"] for r in service.results("whole", "10s")}, live)
