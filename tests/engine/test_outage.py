"""What monitors that were away, odd texts, and labels in any order must not do: lose, stop or skip anything."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import event, func, select
from tests.engine.harness import Harness, Key
from tests.engine.traffic import (
    SCHEMA,
    AlertSpec,
    LabelsSpec,
    by_rows,
    detector,
    get_registry,
    message,
    metric,
    monitor,
    plan_of,
    rows,
    tumbling,
)  # fmt: skip

from vedette.engine.reduce.reducer import HEARD, Reducer
from vedette.store import predictions, series
from vedette.store.tables import batch_log
from vedette_specs.columns import category


def outage(engine: Harness) -> None:
    """The monitors are gone for a minute, and a new process begins before any tap has come back."""
    engine.time(60.0)
    engine.reducer.close()
    engine.worker = engine.new_worker()
    engine.reducer = Reducer(engine.store, engine.bundle, "default", get_registry())
    engine.reducer.step()


def test_what_taps_held_during_an_outage_is_not_late() -> None:
    plan = plan_of(monitor("stats", metric("moments"), windows=[by_rows(50)]), detector("shift", "change", "conformal"))
    engine = Harness(plan)
    for _ in range(2):
        engine.send(50)
        engine.time(5.0)
    engine.reduce()
    outage(engine)
    began = engine.store.time - 58.0
    for k in range(5):
        engine.seq += 1
        batch = rows(engine.rng, np.full(50, began + 10 * k), [(f"held{k}", i) for i in range(50)])
        engine.worker.apply(message("p", engine.seq, batch, began + 10 * (k + 1)))
        engine.reduce()
    engine.time(HEARD + 60.0)
    engine.reduce()
    assert {name: engine.series(name).late_rows for name in ("stats", "shift")} == {"stats": 0, "shift": 0}
    assert [r.n for r in engine.results("stats")] == [50] * 7
    assert sum(r.n for r in engine.results("shift")) == 350


def test_a_producer_that_never_comes_back_holds_its_pool_for_half_a_minute() -> None:
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)])))
    engine.send(5)
    engine.worker.checkpoint()
    outage(engine)
    assert engine.results("stats") == []
    engine.time(HEARD + 1.0)
    engine.reduce()
    assert [r.n for r in engine.results("stats")] == [5]


ODD = ["x" * 300, "a\0b", "\ud800", "\ud83d\ude00", "é" * 257]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_texts_of_clients_are_counted_like_others(text: str, store_url: str) -> None:
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)], by=("region",))), store_url)
    batch = rows(engine.rng, np.full(3, engine.store.time), [("fine", 0), (text, 0), ("fine", 1)])
    engine.send_batch(batch.replace(attributes={"region": category(["eu", text, "eu"])}))
    engine.send(2)
    engine.settle()
    with engine.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(batch_log)) == 0
    found = {r.segment: r.n for r in engine.results("stats")}
    assert sum(found.values()) == 5
    assert sum(n for name, n in found.items() if name not in ("region=eu", "region=us")) == 1
    assert all(len(name) <= 256 for name in found)
    engine.store.close()


def test_a_batch_that_cannot_be_counted_is_parked_and_its_neighbours_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)])))
    keep = predictions.keep

    def refuse(*arguments: object, **more: object) -> None:
        batch = arguments[3]
        if str(batch.ids[0]).startswith("bad"):  # type: ignore[attr-defined]
            raise ValueError("a value that the store cannot hold")
        keep(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(predictions, "keep", refuse)
    engine.send_batch(rows(engine.rng, [engine.store.time], [("bad", 0)]))
    engine.send(4)
    rounds = 0
    while engine.worker.counts.get("poisoned", 0) == 0 and rounds < 10:
        rounds += 1
        for step in (engine.worker.checkpoint, engine.worker.adopt):
            try:
                step()
            except ValueError:
                continue
        engine.time(20.0)
    engine.settle()
    assert engine.worker.counts["poisoned"] == 1
    assert rounds <= 6
    assert sum(r.n for r in engine.results("stats")) == 4


def test_a_full_series_asks_the_store_for_no_further_segments() -> None:
    engine = Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)], by=("region",))))
    names = [f"r{i}" for i in range(1000)]
    writes: list[str] = []
    event.listen(engine.store.engine, "begin", lambda connection: writes.append("begin"))
    batch = rows(engine.rng, np.full(1000, engine.store.time))
    engine.send_batch(batch.replace(attributes={"region": category(names)}))
    assert len(writes) < series.MAX_SEGMENTS + 20
    assert len(engine.worker.accumulator._segments) <= series.MAX_SEGMENTS + 1
    engine.settle()
    found = {r.segment: r.n for r in engine.results("stats")}
    assert (len(found), sum(found.values())) == (series.MAX_SEGMENTS + 1, 1000)
    assert found[series.OTHER] == 1000 - series.MAX_SEGMENTS


def said(engine: Harness, keys: list[Key], wrong: bool) -> dict[Key, str]:
    """Labels that agree with all predictions, or with none."""
    flip = {"yes": "no", "no": "yes"}
    with engine.store.read() as connection:
        blocks = predictions.find_blocks(connection, "m", [key[0] for key in keys])
        loaded = predictions.load(connection, (b for ids in blocks.values() for b in ids), SCHEMA)
    found = {}
    for batch in loaded.values():
        assert batch.ids is not None
        assert batch.rows is not None
        assert batch.prediction is not None
        for name, row, value in zip(batch.ids, batch.rows, batch.prediction.to_list(), strict=True):
            found[name, int(row)] = flip[value] if wrong else value
    return found


@pytest.mark.parametrize("later_first", [False, True])
def test_every_window_is_judged_when_it_matures_in_whatever_order(later_first: bool) -> None:
    rule = AlertSpec("low", "accuracy < 0.9", "acc")
    accuracy = monitor("acc", metric("accuracy"), windows=[tumbling(10)], alert=rule)
    engine = Harness(plan_of(accuracy, labels=LabelsSpec(within=100.0)))
    bad = engine.send(10)
    engine.time(10.0)
    good = engine.send(10)
    engine.time(15.0)
    engine.send(1)
    engine.reduce()
    parts = [said(engine, bad, wrong=True), said(engine, good, wrong=False)]
    for part in parts[::-1] if later_first else parts:
        engine.label(part)
        engine.time(3.0)
        engine.send(1)
        engine.reduce()
    states = [alert["state"] for alert in engine.alerts()]
    assert states == (["firing"] if later_first else ["firing", "resolved"])
    for _ in range(3):  # revisions judge nothing again
        engine.reduce()
    assert len(engine.alerts()) == len(states)


def test_a_rule_over_monitors_reads_the_last_window_whose_labels_are_there() -> None:
    rule = AlertSpec("decay", "acc.accuracy < 2")
    engine = Harness(plan_of(monitor("acc", metric("accuracy"), windows=[tumbling(10)]), alerts=(rule,)))
    sent: list[list[Key]] = []
    for k in range(12):
        sent.append(engine.send(10))
        if k >= 3:  # labels come half a minute late
            engine.label(dict.fromkeys(sent[k - 3], "yes"))
        engine.time(10.0)
        engine.reduce()
    assert [alert["state"] for alert in engine.alerts()] == ["firing"]


def test_a_step_delivers_all_events_of_a_lane_in_their_order() -> None:
    stats = monitor("stats", metric("moments"), windows=[tumbling(1)])
    engine = Harness(plan_of(stats, sinks=(Harness.sink("pager"),)))
    for _ in range(30):
        engine.send(3)
        engine.time(1.0)
    engine.reduce(engine.store.time)
    got: list[float] = []
    assert engine.deliver(lambda name, event: got.append(event.time)) == 30
    assert got == sorted(got)
    assert engine.waiting_events() == []


def test_rows_that_a_stopped_detector_did_not_score_are_missing_in_its_chain() -> None:
    outliers = detector("odd", "outlier", "mahalanobis")
    chained = monitor("chain", metric("moments"), windows=[tumbling(10)], of="odd.score")
    engine = Harness(plan_of(outliers, chained))
    engine.send(5)
    engine.worker.checkpoint()
    odd = engine.series("odd").id
    with engine.store.write() as connection:
        series.quarantine(connection, odd, "broke")
    engine.worker.checkpoint()
    engine.send(7)
    engine.settle()
    assert engine.series("chain").missing_rows == 7
    assert sum(r.n for r in engine.results("chain")) == 5


def test_a_rule_over_monitors_is_judged_at_each_window_however_many_close_at_once() -> None:
    rule = AlertSpec("both", 'stats.mean("x") > 3 and gaps.missing_rate("x") < 2', for_count=2)
    stats = monitor("stats", metric("moments"), windows=[tumbling(10)])
    gaps = monitor("gaps", metric("missing_rate"), windows=[tumbling(10)])
    histories = []
    for each in (True, False):
        engine = Harness(plan_of(stats, gaps, alerts=(rule,)))
        for shift in (0.0, 9.0, 9.0, 9.0, 0.0, 0.0, 9.0):
            engine.send(20, shift=shift)
            engine.time(10.0)
            if each:
                engine.reduce(engine.store.time)
        engine.reduce(engine.store.time)
        histories.append([(alert["state"], alert["time"]) for alert in engine.alerts()])
    assert histories[0] == histories[1]
    assert [state for state, _ in histories[0]] == ["pending", "firing", "resolved", "pending"]


def test_a_monitor_of_labels_has_results() -> None:
    engine = Harness(plan_of(monitor("truth", metric("frequencies"), windows=[by_rows(10)], of="labels")))
    keys = engine.send(10)
    engine.worker.checkpoint()
    engine.label(dict.fromkeys(keys, "yes"))
    engine.time(10.0)
    engine.send(1)
    engine.settle()
    (found,) = engine.results("truth")
    assert found.n == 10
    assert found.body["values"]["share"] == {"labels=yes": 1.0}


def test_a_value_of_many_columns_needs_the_one_that_is_meant() -> None:
    stats = monitor("stats", metric("moments"), windows=[tumbling(10)], alert=AlertSpec("stats", "mean > 1", "stats"))
    with pytest.raises(ValueError, match=r"'mean' has a value for each column; write mean\(\"x\"\)"):
        Harness(plan_of(stats))
