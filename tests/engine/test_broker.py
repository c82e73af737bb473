"""The query broker: few calls, each row once, budgets kept, failures apart, and never a hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from vedette.engine.explain.broker import Broker, ExplainRequest, ModelCallError, explain
from vedette_specs import (
    Ask,
    Batch,
    BudgetExhausted,
    Column,
    ExplainContext,
    Explainer,
    Explanation,
    Steps,
    category,
    concat,
    numeric,
)


def batch(values: Iterable[float], colour: str = "red") -> Batch:
    values = list(values)
    return Batch({"x": numeric(values), "c": category([colour] * len(values))})


class Model:
    """Twice x; remembers the rows of every call."""

    def __init__(self, wait: float = 0.0, fails_at: float | None = None) -> None:
        self.calls: list[list[float]] = []
        self.wait = wait
        self.fails_at = fails_at

    def __call__(self, rows: Batch) -> np.ndarray:
        x = rows.inputs["x"].values
        self.calls.append(x.tolist())
        time.sleep(self.wait)
        if self.fails_at in x:
            raise ArithmeticError("no such x")
        return 2 * x


class Asking(Explainer):
    """Asks what it is told to; answers with all the predictions it got."""

    def __init__(self, *, rounds: tuple = (), again: bool = False, nothing: bool = False) -> None:
        self.rounds = rounds
        self.again = again
        self.nothing = nothing

    def fit_batch(self, reference: Batch) -> None:
        self.fitted_ = True

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        got: list = []
        try:
            for asked in self.rounds:
                answer = yield asked
                got.append([a.tolist() for a in answer] if isinstance(asked, list) else answer.tolist())
        except BudgetExhausted as limit:
            if self.nothing:
                raise
            if self.again:
                yield Ask(batch([0.0]))
            return [Explanation("Asking", {"got": got}, {"limit": str(limit)}) for _ in range(len(rows))]
        return [Explanation("Asking", {"got": got}) for _ in range(len(rows))]


ROW = batch([0.0])


def asking(*rounds, **options) -> Asking:
    return Asking(rounds=rounds, **options).fit(ROW)


def one(values: Iterable[float], **kwargs) -> Ask:
    return Ask(batch(values), **kwargs)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    end = time.monotonic() + 5
    while any(thread.name == "vedette-broker" for thread in threading.enumerate()):
        assert time.monotonic() < end, "the broker's thread still runs"
        time.sleep(0.005)


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


def in_threads(jobs: list[Callable[[], object]]) -> list[object]:
    found: list[object] = [None] * len(jobs)

    def run(i: int) -> None:
        try:
            found[i] = jobs[i]()
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "an explanation hangs"
    return found


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
