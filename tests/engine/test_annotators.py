"""Labels of several annotators: monitors that ask see all of them, the others the first one's only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from tests.engine.harness import Harness, Key
from tests.engine.traffic import SCHEMA, LabelsSpec, bundle_of, by_rows, metric, monitor, plan_of, rows, tumbling

from vedette.components.metrics.annotated_accuracy import AnnotatedAccuracy
from vedette.engine.run.replay import replay
from vedette.engine.service import Service
from vedette.plugins import get_registry
from vedette.store.tables import recomputes
from vedette_specs import ResultContext, category
from vedette_specs.results import json_number

PLAN = plan_of(
    monitor("performance", metric("accuracy"), windows=[tumbling(10)]),
    monitor("annotated", metric("annotated_accuracy"), windows=[tumbling(10), by_rows(10)], by=("region",)),
    labels=LabelsSpec(within=1000.0),
)
Given = dict[tuple[Key, str], str]  # (row, annotator) -> the label that counts


@pytest.fixture
def engine() -> Harness:
    return Harness(PLAN)


def give(engine: Harness, annotator: str, values: Iterable[tuple[Key, str]]) -> None:
    engine.time(0.5)
    items = [{"id": key[0], "row": key[1], "label": value, "annotator": annotator} for key, value in values]
    Service(engine.store, engine.bundle).feedback(items)


def expected(batch: Any, given: Given) -> dict[str, dict[str, Any]]:
    """segment -> values of the rows that have a label, computed without the engine."""
    keys = list(zip(batch.ids.tolist(), batch.rows.tolist(), strict=True))
    annotations = {
        name: category([given.get((key, name)) for key in keys], SCHEMA.classes)
        for name in sorted({name for _, name in given})
    }
    whole = batch.replace(annotations=annotations)
    labelled = np.array([any(key == k for k, _ in given) for key in keys])
    found = {}
    for region in ("eu", "us"):
        mine = labelled & (batch.attributes["region"].strings() == region)
        component = AnnotatedAccuracy().bind(SCHEMA)
        state = component.add(component.create(), whole.take(mine))
        found[f"region={region}"] = json_number(component.result(state, ResultContext()).values)
    return found


def published(engine: Harness) -> dict[str, dict[str, Any]]:
    return {r.segment: r.body["values"] for r in engine.results("annotated", "10s")}


def sent(engine: Harness, n: int = 60) -> tuple[Any, list[Key]]:
    keys = [("r", i) for i in range(n)]
    batch = rows(engine.rng, np.full(n, engine.store.time), keys)
    engine.send_batch(batch)
    return batch, keys


def asked(engine: Harness) -> int:
    with engine.store.read() as connection:
        return len(connection.execute(select(recomputes)).all())


def test_further_annotators_revise_only_what_asks_for_them(engine: Harness) -> None:
    batch, keys = sent(engine)
    rng = np.random.default_rng(0)
    given: Given = {}
    for name in ("ann", "bob", "cy"):
        before = {r.segment: r.revision for r in engine.results("performance")}
        values = [(key, str(rng.choice(SCHEMA.classes))) for key in keys if rng.random() < 0.8]
        first = {key for key, _ in given}
        give(engine, name, values)
        given |= {(key, name): value for key, value in values}
        engine.settle()
        assert published(engine) == expected(batch, given)
        if name != "ann" and {key for key, _ in values} <= first:
            assert {r.segment: r.revision for r in engine.results("performance")} == before
    assert published(engine)["region=eu"]["annotated_accuracy"] is not None
    assert asked(engine) == 0


def test_labels_that_come_together_are_counted_once_and_ask_for_nothing(engine: Harness) -> None:
    batch, keys = sent(engine)
    rng = np.random.default_rng(1)
    given: Given = {}
    for name in ("ann", "bob"):
        values = [(key, str(rng.choice(SCHEMA.classes))) for key in keys]
        give(engine, name, values)
        given |= {(key, name): value for key, value in values}
    engine.worker.checkpoint()
    assert engine.reducer.step()
    assert asked(engine) == 0
    engine.settle()
    assert published(engine) == expected(batch, given)


def test_each_annotator_may_correct_the_own_label(engine: Harness) -> None:
    batch, keys = sent(engine)
    given: Given = {}
    for name, value in (("ann", "yes"), ("bob", "no"), ("ann", "no"), ("bob", "yes"), ("ann", "yes")):
        give(engine, name, [(key, value) for key in keys[:40]])
        given |= {(key, name): value for key in keys[:40]}
        engine.settle()
        assert published(engine) == expected(batch, given)
    assert engine.results("performance")[0].body["details"]["labels"]["labelled"] == 40


def test_labels_in_any_order_with_replicas_and_corrections_equal_one_pass() -> None:
    for seed in range(6):
        engine, rng = Harness(PLAN), np.random.default_rng(seed)
        batch, keys = sent(engine)
        given: Given = {}
        for _ in range(25):
            name = str(rng.choice(["ann", "bob", "cy", ""]))
            some = [keys[i] for i in rng.choice(len(keys), 6, replace=False)]
            values = [(key, str(rng.choice(SCHEMA.classes))) for key in some]
            give(engine, name, values)
            given |= {(key, name): value for key, value in values}
            if rng.random() < 0.4:
                engine.reduce(engine.store.time + float(rng.choice([-5.0, 50.0])))
        engine.settle()
        assert published(engine) == expected(batch, given), seed
        by_number = {r.segment: r.body["values"] for r in engine.results("annotated", "10 rows")}
        assert by_number == expected(batch, given), seed


def test_replay_equals_live(engine: Harness) -> None:
    batch, keys = sent(engine)
    rng = np.random.default_rng(2)
    items = []
    for name in ("ann", "bob", "cy"):
        values = [(key, str(rng.choice(SCHEMA.classes))) for key in keys if rng.random() < 0.7]
        give(engine, name, values)
        engine.reduce()
        items += [{"id": k[0], "row": k[1], "label": v, "annotator": name} for k, v in values]
    engine.settle()
    service = replay(bundle_of(PLAN), get_registry(), batch, items)
    found = {r["segment"]: r["values"] for r in service.results("annotated", "10s")}
    assert found == published(engine)
