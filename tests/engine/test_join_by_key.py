"""Labels that name a key of the business: `labels: {join: order}`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select
from tests.engine.harness import Harness
from tests.engine.traffic import LabelsSpec, lifetime, metric, monitor, plan_of, rows, tumbling

from vedette.cli import main
from vedette.config import load_text
from vedette.engine.naming import meant, places_of_keys
from vedette.engine.run.session import Session
from vedette.engine.service import BadRequest, Service
from vedette.engine.work.worker import WorkerSettings
from vedette.store import keys, predictions
from vedette.store.database import Store
from vedette.store.log import LogRow
from vedette.store.tables import labels as labels_table
from vedette.store.tables import prediction_ids
from vedette_specs import category, numeric

FAST = WorkerSettings(checkpoint_every=0.05, reduce_every=0.05, deliver_every=0.05)
START = 1_699_999_980.0
HEAD = """
version: 1
model: {name: shop}
store: "sqlite:///vedette.db"
schema: {task: binary, classes: [no, yes], positive: yes, features: {x: numeric, order: category}}
labels: {join: order, within: 1h}
"""
SHOP = HEAD + "monitors: {performance: {metrics: [accuracy], window: {span: 1m, every: 1m}}}\n"


@pytest.fixture
def engine() -> Harness:
    spec = monitor("performance", metric("accuracy"), windows=[tumbling(10)])
    return Harness(plan_of(spec, labels=LabelsSpec(join="order", within=1000.0)))


def send(engine: Harness, orders: Sequence[str | None], answer: str = "yes", at: float | None = None) -> None:
    """A request of these rows, all with the same answer."""
    n, time = len(orders), engine.store.time if at is None else at
    batch = rows(engine.rng, np.full(n, time), [(f"r{engine.seq + 1}", i) for i in range(n)])
    answers = category([answer] * n, ("no", "yes"))
    engine.send_batch(batch.replace(prediction=answers, attributes={"order": category(list(orders))}))


def give(engine: Harness, *pairs: tuple[str, str], at: float | None = None) -> int:
    time = engine.store.time if at is None else at
    return Service(engine.store, engine.bundle).feedback(
        [{"id": key, "label": value, "time": time} for key, value in pairs]
    )


def labels_of(engine: Harness) -> list[tuple[str, int, str]]:
    with engine.store.read() as connection:
        found = connection.execute(select(labels_table).order_by(labels_table.c.id))
        return [(row.request, row.row, row.state) for row in found]


def accuracies(engine: Harness) -> list[float | None]:
    engine.settle()
    return [r.body["values"]["accuracy"] for r in engine.results("performance")]


def test_labels_before_and_after_their_predictions(engine: Harness) -> None:
    give(engine, ("B", "no"))
    engine.reduce()
    assert labels_of(engine) == [("B", 0, "pending")]
    send(engine, ["A", "B", "C"])
    give(engine, ("A", "yes"), ("C", "yes"))
    engine.time(70.0)
    assert accuracies(engine) == [pytest.approx(2 / 3)]
    assert labels_of(engine) == [("r1", 1, "applied"), ("r1", 0, "applied"), ("r1", 2, "applied")]


def test_of_the_predictions_of_a_key_the_latest_before_the_label_is_meant(engine: Harness) -> None:
    first = engine.store.time
    send(engine, ["A"], "yes")
    engine.time(20.0)
    send(engine, ["A"], "no")
    engine.time(20.0)
    send(engine, ["A"], "yes")
    give(engine, ("A", "no"), at=first + 30.0)
    give(engine, ("A", "no"), at=first + 50.0)
    assert accuracies(engine) == [None, 1.0, 0.0]
    assert [label[0] for label in labels_of(engine)] == ["r2", "r3"]


def test_a_label_from_before_all_predictions_of_its_key_means_the_first(engine: Harness) -> None:
    give(engine, ("A", "yes"), at=engine.store.time - 5.0)
    send(engine, ["A"], "yes")
    engine.time(20.0)
    send(engine, ["A"], "no")
    assert accuracies(engine) == [1.0, None]


def test_corrections_and_deliveries_that_are_made_again(engine: Harness) -> None:
    send(engine, ["A", "B"])
    early, late = engine.store.time + 1.0, engine.store.time + 2.0
    assert give(engine, ("A", "no"), ("B", "yes"), at=early) == 2
    assert give(engine, ("A", "no"), at=early) == 0, "the same delivery, before it was joined"
    engine.settle()
    give(engine, ("A", "yes"), at=late)
    assert accuracies(engine) == [1.0]
    give(engine, ("A", "no"), at=early)
    assert accuracies(engine) == [1.0], "the first delivery once more does not undo the correction"
    assert [state for *_, state in labels_of(engine)] == ["superseded", "applied", "applied"]


def test_a_key_is_no_request_id_and_an_id_is_no_key(engine: Harness) -> None:
    send(engine, ["A", "r1"], "yes")
    give(engine, ("r1", "no"))
    assert accuracies(engine) == [0.0]
    assert labels_of(engine) == [("r1", 1, "applied")]
    give(engine, ("r2", "no"))
    send(engine, ["B"])
    engine.settle()
    assert labels_of(engine)[1] == ("r2", 0, "pending"), "r2 is a request, and no order"


def test_a_key_that_is_its_request_s_id_too(engine: Harness) -> None:
    send(engine, ["r1"], "yes")
    give(engine, ("r1", "yes"))
    assert accuracies(engine) == [1.0]


def test_rows_without_a_key_are_counted(engine: Harness) -> None:
    send(engine, ["A", None, None])
    engine.send(2)
    engine.reduce()
    assert Service(engine.store, engine.bundle).counters()["worker_rows_without_key"] == 4


def test_of_a_key_that_all_rows_have_only_the_latest_batches_are_looked_at(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_BLOCKS", 3)
    first = engine.store.time
    for _ in range(6):
        send(engine, ["A"])
        engine.time(10.0)
    engine.reduce()
    give(engine, ("A", "yes"), at=first + 55.0)
    give(engine, ("A", "yes"), at=first + 5.0)
    engine.reduce()
    assert labels_of(engine) == [("r6", 0, "applied"), ("A", 0, "pending")]


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        ({"id": "A", "row": 1, "label": "yes"}, "[0].row", "labels.join is 'order', so `id` names one row"),
        ({"id": "A", "labels": ["yes", "no"]}, "[0].labels", "give its `label` only"),
        ({"id": "A" * 241, "label": "yes"}, "[0].id", "not a 'order' of a prediction (a string of 1 to 240"),
    ],
)
def test_feedback_by_key_names_one_row(engine: Harness, item: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Service(engine.store, engine.bundle).feedback([item])
    assert caught.value.field == field
    assert message in str(caught.value)


def test_keys_end_with_their_blocks(store_url: str) -> None:
    store = Store(store_url)
    batch = rows(np.random.default_rng(0), np.zeros(3), [("own", i) for i in range(3)])
    long = "k" * 300
    with store.write() as connection:
        row = LogRow(1, "p" * 32, 1, 0.0, "", 0, b"")
        block = predictions.keep(connection, "m", row, batch, np.zeros(3, dtype=bool))
        keys.put(connection, "m", block, ["A", "A", None, "nul\0", long])
        assert keys.find(connection, "m", ["A", "nul\0", long, "B", "own"]) == {
            "A": [block], "nul\0": [block], long: [block],
        }  # fmt: skip
        assert keys.find(connection, "other", ["A"]) == {}
        predictions.drop_before(connection, "m", 1.0)
        assert connection.execute(select(prediction_ids)).all() == []
    store.close()


def test_what_is_meant() -> None:
    batch = rows(np.random.default_rng(0), [5.0, 1.0, 3.0, 3.0]).replace(
        attributes={"order": category(["a", "a", "a", "b"])}
    )
    places = places_of_keys({7: batch}, "order", ["a"])
    assert places == {"a": [(1.0, 7, 1), (3.0, 7, 2), (5.0, 7, 0)]}
    found = [meant(places["a"], time) for time in (0.0, 1.0, 2.9, 3.0, 99.0)]
    assert [place[2] for place in found if place is not None] == [1, 1, 1, 2, 0]
    assert meant(places["a"], 0.0, whole=False) is None
    assert meant([], 1.0) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("join: order", "join: ordre"), "6:16: join: there is no column or attribute 'ordre'; did you mean 'order'?"),
        (("join: order", "join: ''"), "'' is no name of a column"),
        (("within: 1h}", "within: 1h}\nprivacy: {redact: order}"), "'order' stands in privacy.redact"),
        (("order: category", "order: embedding"), "'order' is of kind embedding; allowed: numeric, category, text"),
        (
            ("labels: {join: order", "capture: {attributes: {region: header.x-region}}\nlabels: {join: invoice"),
            "no column or attribute 'invoice'; allowed: id, region, x, order",
        ),
    ],
)
def test_what_cannot_be_joined_by_is_a_fault_at_its_place(change: tuple[str, str], message: str) -> None:
    assert change[0] in SHOP
    with pytest.raises(ValueError) as caught:
        load_text(SHOP.replace(*change))
    assert message in str(caught.value)


def test_attributes_that_only_a_session_names_are_allowed() -> None:
    assert load_text(SHOP.replace("join: order", "join: invoice")).labels.join == "invoice"


class TestTheSameEverywhere:
    """Session, `vedette labels` and replay, with one order predicted twice."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "monitors.yaml").write_text(SHOP)
        return tmp_path

    FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "order": ["A", "B", "A", "C"]})
    ANSWERS = ("yes", "yes", "no", "no")
    TIMES = START + np.array([0.0, 1.0, 70.0, 130.0])
    LABELS = pd.DataFrame(
        {
            "order": ["A", "B", "A", "C"],
            "label": ["yes", "no", "yes", "no"],
            "time": START + np.array([30, 31, 90, 150]),
        }
    )
    EXPECTED = (0.5, 0.0, 1.0)  # minutes: A right and B wrong; A wrong; C right

    def logged(self, session: Session) -> None:
        session.log(self.FRAME, prediction=self.ANSWERS, ids=["w", "x", "y", "z"], time=self.TIMES)
        session.flush()

    def test_session(self, folder: Path) -> None:
        with Session(folder / "monitors.yaml", event_time=True, settings=FAST) as session:
            self.logged(session)
            for row in self.LABELS.itertuples():
                session.feedback([str(row.order)], [row.label], time=row.time)
            session.finish()
            assert tuple(r["values"]["accuracy"] for r in session.results("performance")) == self.EXPECTED

    def test_labels_that_are_known_when_rows_are_logged(self, folder: Path) -> None:
        with Session(folder / "monitors.yaml", event_time=True, settings=FAST) as session:
            session.log(
                self.FRAME, prediction=self.ANSWERS, ids=["w", "x", "y", "z"], time=self.TIMES,
                labels=self.LABELS["label"],
            )  # fmt: skip
            with pytest.raises(ValueError, match=r"labels\.join is 'order', and some rows have none"):
                session.log(self.FRAME.assign(order=[None, "D", "E", "F"]), labels=["yes"] * 4, time=self.TIMES)
            session.finish()
            assert tuple(r["values"]["accuracy"] for r in session.results("performance")) == self.EXPECTED

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_vedette_labels(self, folder: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
        file = folder / f"labels.{ending}"
        self.LABELS.to_csv(file, index=False) if ending == "csv" else self.LABELS.to_parquet(file)
        with Session(folder / "monitors.yaml", event_time=True, settings=FAST) as session:
            self.logged(session)
            for _ in range(2):  # sent once more, perhaps when they are joined: nothing changes
                with pytest.raises(SystemExit) as done:
                    main(["labels", "monitors.yaml", str(file)])
                assert done.value.code == 0
                assert "labels are stored" in capsys.readouterr().out
            session.finish()
            assert tuple(r["values"]["accuracy"] for r in session.results("performance")) == self.EXPECTED

    def test_replay(self, folder: Path) -> None:
        from vedette.config.loading import load_all
        from vedette.engine.bundle import build_bundle
        from vedette.engine.run.logged import read_labels, read_rows
        from vedette.engine.run.replay import replay
        from vedette.plugins import get_registry

        self.FRAME.assign(time=self.TIMES, prediction=self.ANSWERS).to_parquet(folder / "rows.parquet")
        self.LABELS.to_csv(folder / "labels.csv", index=False)
        plan = load_all([folder / "monitors.yaml"]).plan
        bundle = build_bundle(plan, get_registry(), None)
        items = read_labels(folder / "labels.csv", plan)
        rows = read_rows(folder / "rows.parquet", plan)
        for as_served in (False, True):
            service = replay(bundle, get_registry(), rows, items, as_served=as_served)
            assert tuple(r["values"]["accuracy"] for r in service.results("performance")) == self.EXPECTED
        own = rows.replace(labels=category(self.LABELS["label"].tolist(), ("no", "yes")))
        service = replay(bundle, get_registry(), own)
        assert tuple(r["values"]["accuracy"] for r in service.results("performance")) == self.EXPECTED


def test_numbers_are_keys_as_they_are_written(tmp_path: Path) -> None:
    plan = plan_of(monitor("performance", metric("accuracy"), windows=[lifetime(every=10.0)]),
                   labels=LabelsSpec(join="x"))  # fmt: skip
    engine = Harness(plan)
    batch = rows(engine.rng, np.full(2, engine.store.time), [("r", 0), ("r", 1)])
    engine.send_batch(batch.replace(inputs={**batch.inputs, "x": numeric([17.0, np.nan])}))
    assert give(engine, ("17", "yes")) == 1
    engine.settle()
    assert labels_of(engine) == [("r", 0, "applied")]
