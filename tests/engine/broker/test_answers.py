"""The query broker: few calls, each row once, answers remembered."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from tests.engine.broker.asking import ROW, Asking, Model, asking, batch, in_threads, one

from vedette.engine.explain.broker import Broker, ExplainRequest, ModelCallError, explain
from vedette_specs import Ask, Batch, Column, ExplainContext, Explanation, concat, numeric

# --- answers --------------------------------------------------------------------------------------------------------


def test_answers_come_back_in_order_and_duplicates_are_predicted_once():
    model = Model()
    (found,) = explain(asking(one([3, 1, 3, 2, 1])), ROW, model)
    assert found.data["got"] == [[[6], [2], [6], [4], [2]]]
    assert sorted(model.calls[0]) == [1, 2, 3]
    assert not found.budget_exhausted


def test_a_list_of_asks_is_one_call_and_a_list_of_answers():
    model = Model()
    (found,) = explain(asking([one([1, 2]), one([2, 3]), one([])]), ROW, model)
    assert found.data["got"] == [[[[2], [4]], [[4], [6]], []]]
    assert len(model.calls) == 1


def test_one_explanation_a_row():
    assert len(explain(asking(one([1])), batch([1, 2, 3]), Model())) == 3


def test_no_questions_no_calls():
    model = Model()
    assert explain(asking(), ROW, model)[0].data["got"] == []
    assert explain(asking([]), ROW, model)[0].data["got"] == [[]]
    assert model.calls == []


def test_large_questions_are_cut_into_calls():
    model = Model()
    (found,) = Broker(model, max_call_rows=4).explain(asking(one(range(10))), ROW)
    assert found.data["got"] == [[[2.0 * x] for x in range(10)]]
    assert [len(call) for call in model.calls] == [4, 4, 2]


def test_targets_have_functions_of_their_own():
    broker = Broker({"model": lambda rows: rows.matrix(["x"]), "strange": lambda rows: -rows.matrix(["x"])})
    (found,) = broker.explain(asking([one([5]), one([5], target="strange")]), ROW)
    assert found.data["got"] == [[[[5]], [[-5]]]]
    with pytest.raises(ModelCallError, match="'nobody' cannot be asked; there are: model, strange"):
        broker.explain(asking(one([1], target="nobody")), ROW)


def test_rows_of_different_columns_are_not_mixed():
    seen = []

    def predict(rows: Batch) -> np.ndarray:
        seen.append(sorted(rows.inputs))
        return np.zeros(len(rows))

    explain(asking([one([1]), Ask(Batch({"y": numeric([1.0])})), one([2])]), ROW, predict)
    assert sorted(seen) == [["c", "x"], ["y"]]


def test_ids_and_times_reach_neither_model_nor_key():
    rows = batch([1, 1]).replace(ids=np.array(["a", "b"], dtype=object), times=np.array([1.0, 2.0]))
    model = Model()
    explain(asking([Ask(rows), one([1])]), ROW, model)
    assert model.calls == [[1.0]]


def test_several_outputs():
    (found,) = explain(asking(one([1, 2])), ROW, lambda rows: np.column_stack([rows.matrix(["x"])] * 3))
    assert found.data["got"] == [[[1, 1, 1], [2, 2, 2]]]


# --- sharing --------------------------------------------------------------------------------------------------------


def test_side_by_side_requests_share_every_round():
    model = Model()
    broker = Broker(model, cache_rows=0, linger=1.0)
    requests = [ExplainRequest(asking(one([i, 7]), one([10 + i])), ROW) for i in range(5)]
    found = broker.explain_many(requests)
    assert [outcome[0].data["got"][0][0] for outcome in found] == [[2.0 * i] for i in range(5)]
    assert [sorted(call) for call in model.calls] == [[0, 1, 2, 3, 4, 7], [10, 11, 12, 13, 14]]


def test_concurrent_requests_share_calls():
    model = Model(wait=0.05)
    broker = Broker(model, linger=0.02)
    jobs = [lambda i=i: broker.explain(asking(one([i]), one([100 + i])), ROW) for i in range(12)]
    found = in_threads(jobs)
    assert [f[0].data["got"] for f in found] == [[[[2.0 * i]], [[200.0 + 2 * i]]] for i in range(12)]
    assert len(model.calls) <= 8  # 24 questions
    assert broker.counters()["model_calls"] == len(model.calls)


def test_a_model_of_many_threads_is_called_by_one_at_a_time():
    inside, most = [0], [0]
    lock = threading.Lock()

    def predict(rows: Batch) -> np.ndarray:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        with lock:
            inside[0] -= 1
        return np.zeros(len(rows))

    broker = Broker(predict, linger=0.0)
    in_threads([lambda i=i: broker.explain(asking(*[one([i + k]) for k in range(10)]), ROW) for i in range(8)])
    assert most == [1]


# --- the cache ------------------------------------------------------------------------------------------------------


def test_answers_are_remembered_until_the_version_changes():
    version = ["1"]
    model = Model()
    broker = Broker(model, version=lambda: version[0])
    first = broker.explain(asking(one([1, 2])), ROW)
    assert broker.explain(asking(one([1, 2])), ROW) == first
    assert len(model.calls) == 1
    version[0] = "2"
    broker.explain(asking(one([1, 2])), ROW)
    assert len(model.calls) == 2
    assert broker.counters() == {
        "asked_rows": 6, "model_calls": 2, "model_rows": 4, "cached_rows": 2, "failed_calls": 0,
    }  # fmt: skip


@pytest.mark.parametrize("limit", [{"cache_rows": 3}, {"cache_bytes": 3 * 258}])
def test_the_cache_forgets_what_was_used_least_recently(limit):
    model = Model()
    broker = Broker(model, **limit)
    for values in ([1], [2], [3], [1], [4], [1, 3, 4], [2]):
        broker.explain(asking(one(values)), ROW)
    assert model.calls == [[1], [2], [3], [4], [2]]


def test_the_cache_does_not_stretch_a_budget():
    """The same request gets the same explanation, whatever was asked before."""
    broker = Broker(Model())
    rounds = (one([1, 2]), one([1, 2]), one([1, 2]))
    first = broker.explain(asking(*rounds), ROW, max_rows=5)
    assert broker.explain(asking(*rounds), ROW, max_rows=5) == first
    assert first[0].budget_exhausted


def test_context_reaches_the_explainer():
    seen: list[ExplainContext] = []

    class Looking(Asking):
        def steps(self, rows, ctx):
            seen.append(ctx)
            yield Ask(rows, ctx.target)
            return [Explanation("Looking", {})]

    explain(Looking().fit(ROW), ROW, Model(), seed=5, max_rows=70, target="score", outputs=("p",))
    assert seen == [ExplainContext(seed=5, max_rows=70, target="score", outputs=("p",))]


def test_concat_of_rows_with_other_categories():
    seen = []

    def predict(rows: Batch) -> np.ndarray:
        seen.append(rows.inputs["c"].strings().tolist())
        return np.arange(len(rows), dtype=float)

    explain(asking([Ask(batch([1], "red")), Ask(batch([1], "blue"))]), ROW, predict)
    assert sorted(seen[0]) == ["blue", "red"]
    assert isinstance(concat([batch([1], "red"), batch([1], "blue")]).inputs["c"], Column)
