"""The query broker: budgets kept, failures apart, and never a hang."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from tests.engine.broker.asking import ROW, Asking, Model, asking, in_threads, one

from vedette.engine.explain.broker import Broker, ExplainRequest, ModelCallError, explain
from vedette_specs import Batch, BudgetExhausted

# --- budgets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"max_rows": 5}, "6 rows asked for, 5 allowed"), ({"max_calls": 2}, "3 calls asked for, 2 allowed")],
)
def test_at_a_limit_the_best_answer_is_marked(limits, reason):
    model = Model()
    (found,) = explain(asking(one([1, 2]), one([3, 4]), one([5, 6])), ROW, model, **limits)
    assert found.budget_exhausted
    assert found.to_json()["meta"]["budget_exhausted"] is True
    assert found.params["limit"] == reason
    assert len(found.data["got"]) == len(model.calls) == 2


def test_a_budget_spent_exactly_is_not_exhausted():
    (found,) = explain(asking(one([1, 2]), one([3])), ROW, Model(), max_rows=3, max_calls=2)
    assert not found.budget_exhausted


def test_a_slow_model_meets_the_deadline():
    release = threading.Event()

    def predict(rows: Batch) -> np.ndarray:
        if 9.0 in rows.inputs["x"].values:
            release.wait(30)
        return np.zeros(len(rows))

    start = time.monotonic()
    (found,) = explain(asking(one([1]), one([9])), ROW, predict, deadline=0.3)
    release.set()
    assert time.monotonic() - start < 2
    assert found.budget_exhausted
    assert found.data["got"] == [[[0.0]]]
    assert found.params["limit"] == "0.3 s are over"


def test_a_hanging_call_costs_others_their_deadline_at_most_and_the_broker_recovers():
    release = threading.Event()
    broker = Broker(lambda rows: (release.wait(30), np.zeros(len(rows)))[1])
    start = time.monotonic()
    found = in_threads([lambda: broker.explain(asking(one([1])), ROW, deadline=0.3) for _ in range(3)])
    assert time.monotonic() - start < 5
    assert all(f[0].budget_exhausted for f in found)
    release.set()
    (after,) = broker.explain(asking(one([2])), ROW, deadline=10)
    assert after.data["got"] == [[[0.0]]]


def test_time_between_questions_counts():
    class Slow(Asking):
        def steps(self, rows, ctx):
            inner = super().steps(rows, ctx)
            asked = next(inner)
            while True:
                time.sleep(0.1)
                try:
                    answer = yield asked
                except BudgetExhausted as limit:
                    try:
                        inner.throw(limit)
                    except StopIteration as stop:
                        return stop.value
                asked = inner.send(answer)

    (found,) = explain(Slow(rounds=(one([1]),) * 50).fit(ROW), ROW, Model(), deadline=0.35)
    assert found.budget_exhausted
    assert 1 <= len(found.data["got"]) <= 4


def test_an_explainer_with_nothing_to_say_says_so():
    with pytest.raises(BudgetExhausted, match="3 rows asked for, 2 allowed"):
        explain(asking(one([1, 2, 3]), nothing=True), ROW, Model(), max_rows=2)


def test_an_explainer_that_asks_on_is_stopped():
    with pytest.raises(RuntimeError, match="Asking asked again after its budget was exhausted"):
        explain(asking(one([1, 2, 3]), again=True), ROW, Model(), max_rows=2)


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_failing_row_fails_only_who_asked_for_it():
    model = Model(fails_at=4.0)
    broker = Broker(model, linger=1.0)
    found = broker.explain_many([ExplainRequest(asking(one([i, 7])), ROW) for i in range(6)])
    assert isinstance(found[4], ModelCallError)
    assert "asking 'model' for 2 rows failed: ArithmeticError('no such x')" in str(found[4])
    assert isinstance(found[4].__cause__, ArithmeticError)
    good = [outcome[0].data["got"][0] for i, outcome in enumerate(found) if i != 4]
    assert good == [[[2.0 * i], [14.0]] for i in (0, 1, 2, 3, 5)]
    assert broker.counters()["failed_calls"] == 2
    model.fails_at = None
    assert broker.explain(asking(one([4])), ROW)[0].data["got"] == [[[8.0]]]


def test_failures_in_threads():
    broker = Broker(Model(wait=0.01, fails_at=3.0))
    found = in_threads([lambda i=i: broker.explain(asking(one([i])), ROW) for i in range(8)])
    assert [isinstance(outcome, ModelCallError) for outcome in found] == [i == 3 for i in range(8)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (np.zeros(5), r"answered 2 rows with shape \(5,\); it is \(2, outputs\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (["yes", "no"], "did not answer with numbers"),
        (None, r"shape \(\)|numbers"),
    ],
)
def test_answers_that_are_none(answer, reason):
    with pytest.raises(ModelCallError, match=reason):
        explain(asking(one([1, 2])), ROW, lambda rows: answer)


def test_an_explainer_that_raises_costs_no_other_anything():
    class Broken(Asking):
        def steps(self, rows, ctx):
            yield one([1])
            raise KeyError("bug")

    broken, whole = Broker(Model()).explain_many(
        [ExplainRequest(Broken().fit(ROW), ROW), ExplainRequest(asking(one([1])), ROW)]
    )
    assert isinstance(broken, KeyError)
    assert whole[0].data["got"] == [[[2.0]]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_exits_hangs_nobody():
    calls = []

    def predict(rows: Batch) -> np.ndarray:
        calls.append(len(rows))
        if len(calls) == 1:
            raise SystemExit(3)
        return np.zeros(len(rows))

    broker = Broker(predict)
    with pytest.raises(ModelCallError, match="ended by the model"):
        broker.explain(asking(one([1])), ROW, deadline=20)
    assert broker.explain(asking(one([1])), ROW, deadline=20)[0].data["got"] == [[[0.0]]]
