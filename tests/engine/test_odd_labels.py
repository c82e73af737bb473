"""Labels of another task, labels of a second annotator, components that raise while a tick is recomputed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from sqlalchemy import Connection, select
from tests.engine.harness import Harness, Key
from tests.engine.traffic import LabelsSpec, metric, monitor, plan_of, tumbling

from vedette.components.metrics.accuracy import Accuracy
from vedette.engine.reduce.joiner import Joiner
from vedette.engine.reduce.recompute import readable
from vedette.engine.service import Service
from vedette.store import labels, series
from vedette.store.labels import Label
from vedette.store.tables import labels as labels_table
from vedette_specs.schema import Schema

NUMBERS = Schema({"x": "numeric", "c": "category"}, "regression")


@pytest.fixture
def engine() -> Harness:
    spec = monitor("performance", metric("accuracy"), windows=[tumbling(10)])
    return Harness(plan_of(spec, labels=LabelsSpec(within=1000.0, coverage=0.9)))


def give(engine: Harness, values: Iterable[tuple[Key, object]], annotator: str = "") -> None:
    found = [
        {"request": k[0], "row": k[1], "value": v, "annotator": annotator, "time": engine.store.time} for k, v in values
    ]
    with engine.store.write() as connection:
        labels.add(connection, "m", found, engine.store.time)


def states(engine: Harness) -> list[str]:
    with engine.store.read() as connection:
        return list(connection.scalars(select(labels_table.c.state).order_by(labels_table.c.id)))


def answers(engine: Harness, keys: list[Key]) -> dict[Key, object]:
    """What the model said for the rows sent last."""
    prediction = engine.worker.pending[-1].batch.prediction
    assert prediction is not None
    return dict(zip(keys, prediction.to_list(), strict=True))


def other(answer: object) -> str:
    return "no" if answer == "yes" else "yes"


def label(number: int, value: object) -> Label:
    return Label(number, f"r{number}", 0, "", value, 0.0, 0.0)


def test_what_a_task_can_read_is_found_label_by_label() -> None:
    values = [1, "two", 3.5, "four", "5", 6, "seven"]
    found = [label(i, value) for i, value in enumerate(values)]
    assert readable(found, NUMBERS) >= {0, 2, 5}
    assert not readable(found, NUMBERS) & {1, 3, 6}
    assert readable([], NUMBERS) == set()
    assert readable(found[1:2], NUMBERS) == set()
    many = [label(i, "text" if i % 100 == 7 else float(i)) for i in range(3000)]
    assert len(readable(many, NUMBERS)) == 2970


def test_a_label_that_the_new_task_cannot_read_holds_up_no_other(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending when a deploy changes the task: it is given up and counted, the others are joined."""
    keys = engine.send(4)
    said = answers(engine, keys)
    engine.worker.checkpoint()
    give(engine, [(keys[0], said[keys[0]]), (keys[1], "spoiled"), (keys[2], said[keys[2]]), (keys[3], "spoiled")])
    from vedette_specs import convert

    def strict(values: list[object], schema: Schema) -> object:
        if "spoiled" in values:
            raise ValueError("could not convert string to float: 'spoiled'")
        return convert.label_column(values, schema)

    monkeypatch.setattr("vedette.engine.reduce.recompute.label_column", strict)
    engine.settle()
    assert states(engine) == ["applied", "unmatched", "applied", "unmatched"]
    (found,) = engine.results("performance")
    assert (found.n, found.body["values"]["accuracy"]) == (2, 1.0)
    counted = Service(engine.store, engine.bundle).counters()
    assert counted["labels_unreadable"] == 2
    assert counted["labels_unmatched"] == 2


def test_a_label_in_force_that_cannot_be_read_any_more_does_not_stop_a_recomputation(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = engine.send(3)
    said = answers(engine, keys)
    give(engine, [*said.items()][:2])
    give(engine, [(keys[2], "strange")])
    engine.settle()
    assert states(engine) == ["applied"] * 3
    from vedette_specs import convert

    def strict(values: list[object], schema: Schema) -> object:
        if "strange" in values:
            raise ValueError("could not convert")
        return convert.label_column(values, schema)

    monkeypatch.setattr("vedette.engine.reduce.recompute.label_column", strict)
    give(engine, [(keys[0], other(said[keys[0]]))])
    engine.settle()
    assert engine.series("performance").status == "active"
    assert engine.results("performance")[0].body["values"]["accuracy"] == 0.5


def test_a_component_that_raises_in_a_recomputation_leaves_the_tick_as_it_was(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = engine.send(4)
    said = answers(engine, keys)
    give(engine, said.items())
    engine.settle()
    before = engine.results("performance")[0]
    assert (before.n, before.body["values"]["accuracy"]) == (4, 1.0)
    with monkeypatch.context() as broken:

        def fail(*arguments: object) -> object:
            raise RuntimeError("no luck")

        broken.setattr(Accuracy, "add", fail)
        give(engine, [(keys[0], other(said[keys[0]]))])
        engine.settle()
    row = engine.series("performance")
    assert row.status == "quarantined"
    assert "no luck" in (row.reason or "")
    assert engine.results("performance")[0].body["values"]["accuracy"] == 1.0
    with engine.store.read() as connection:
        assert labels.asked_recomputes(connection, row.id, engine.store.time + 1e6, 10) != []


class TestAnnotators:
    def test_a_second_annotator_corrects_nothing_and_is_counted(self, engine: Harness) -> None:
        keys = engine.send(2)
        said = answers(engine, keys)
        give(engine, said.items(), "ann")
        engine.settle()
        give(engine, [(key, other(value)) for key, value in said.items()], "bob")
        engine.settle()
        assert states(engine) == ["applied"] * 2 + ["superseded"] * 2
        assert engine.results("performance")[0].body["values"]["accuracy"] == 1.0
        assert Service(engine.store, engine.bundle).counters()["labels_other_annotator"] == 2

    def test_of_two_that_come_together_the_first_is_in_force_and_may_correct(self, engine: Harness) -> None:
        keys = engine.send(1)
        right = answers(engine, keys)[keys[0]]
        give(engine, [(keys[0], right)], "ann")
        give(engine, [(keys[0], other(right))], "bob")
        engine.settle()
        assert states(engine) == ["applied", "superseded"]
        give(engine, [(keys[0], other(right))], "ann")
        engine.settle()
        assert states(engine) == ["superseded", "superseded", "applied"]
        assert engine.results("performance")[0].body["values"]["accuracy"] == 0.0

    def test_each_row_has_a_first_annotator_of_its_own(self, engine: Harness) -> None:
        keys = engine.send(2)
        said = answers(engine, keys)
        give(engine, [(keys[0], said[keys[0]])], "ann")
        give(engine, [(keys[1], said[keys[1]])], "bob")
        engine.settle()
        assert states(engine) == ["applied", "applied"]
        assert "labels_other_annotator" not in Service(engine.store, engine.bundle).counters()


def test_the_joiner_locks_series_in_order_of_id_before_it_writes() -> None:
    specs = [monitor(name, metric("accuracy"), windows=[tumbling(10)]) for name in ("z", "a", "m")]
    engine = Harness(plan_of(*specs))
    keys = engine.send(2)
    give(engine, answers(engine, keys).items())
    engine.worker.checkpoint()
    engine.reduce()
    order: list[int] = []
    with pytest.MonkeyPatch.context() as watched:
        real = series.lock

        def watch(connection: Connection, number: int) -> series.Series:
            order.append(number)
            return real(connection, number)

        watched.setattr(series, "lock", watch)
        give(engine, [(key, other(value)) for key, value in zip(keys, ["no", "yes"], strict=True)])
        assert engine.reducer.lease is not None
        Joiner(engine.store, engine.bundle, engine.reducer.bundles).step(engine.reducer.lease)
    assert order[:3] == sorted(order[:3])
    assert len(set(order)) == 3
    assert np.all(np.isin([engine.series(name).id for name in ("a", "m", "z")], order))
