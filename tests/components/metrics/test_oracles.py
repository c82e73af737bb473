"""Every metric of labels: shards and merge equal one pass equal scikit-learn, weights and ties and gaps included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.components.metrics.oracles import CASES, Case, Known, draw

from vedette.testing.lab import difference
from vedette_specs import Batch, Metric, Result, ResultContext, category, numeric
from vedette_specs.codec import decode, encode

CTX = ResultContext()
EXACT = 1e-12
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TASKED = [pytest.param(case, task, id=f"{case.name}-{task}") for case in CASES for task in case.tasks]


def value_of(case: Case, result: Result) -> Any:
    return result.values[case.value or case.use]


def check(case: Case, result: Result, rows: Known) -> None:
    """Raises where the value is not the oracle's, or known where the oracle's is not."""
    wanted, got = case.oracle(rows), value_of(case, result)
    if isinstance(got, dict):
        wanted = wanted or dict.fromkeys(got)
        assert got.keys() == wanted.keys()
        for key in got:
            assert (got[key] is None) == (wanted[key] is None), (key, got[key], wanted[key])
            assert got[key] is None or got[key] == pytest.approx(wanted[key], rel=EXACT, abs=EXACT)
        return
    assert (got is None) == (wanted is None), (got, wanted)
    assert (got is None) == (result.status == "insufficient")
    if got is None:
        return
    if case.bounded:
        assert abs(got - wanted) <= result.details["bound"] + EXACT
    else:
        assert got == pytest.approx(wanted, rel=EXACT, abs=EXACT)


def same(left: Result, right: Result) -> None:
    if found := difference(left.to_json(), right.to_json(), EXACT):
        pytest.fail(found)


def numbers(values: Any) -> set[Any]:
    """The values of a result, those by column or class too."""
    return {n for item in values.values() for n in (item.values() if isinstance(item, dict) else [item])}


@pytest.mark.parametrize(("case", "task"), TASKED)
@FEW
@given(
    n=st.integers(0, 120),
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.3]),
    ties=st.booleans(),
    weighed=st.booleans(),
    only=st.sampled_from([None, None, None, 0, 1]),
)
def test_merged_equals_one_pass_equals_the_oracle(case, task, n, seed, missing, ties, weighed, only, merged):
    batch, rows, _ = draw(task, n, seed, missing, ties, only)
    rows = rows if weighed else Known(rows.schema, rows.y, rows.z, rows.p, None)
    part = case.metric(weighed).bind(batch.schema)
    whole = part.result(part.add(part.create(), batch), CTX)
    check(case, whole, rows)
    assert whole.n == len(rows.y)
    assert whole.details["left_out"] == n - len(rows.y)
    same(part.result(merged(part, batch, seed), CTX), whole)


@pytest.mark.parametrize(("case", "task"), TASKED)
class TestEveryMetric:
    @pytest.fixture
    def part(self, case: Case, task: str) -> Metric:
        return case.metric(False).bind(draw(task, 0, 0, 0.0)[0].schema)

    def test_nothing_known_is_not_zero(self, case, task, part):
        batch, _, _ = draw(task, 40, 1, 0.0)
        lacking = batch.replace(labels=None)
        unanswered = batch.replace(prediction=None, probabilities=None)
        for rows in (batch.take(slice(0, 0)), lacking, unanswered):
            result = part.result(part.add(part.create(), rows), CTX)
            assert numbers(result.values) == {None}
            assert result.status == "insufficient"
            assert result.n == 0
            assert result.details["left_out"] == len(rows)

    def test_names_of_values_are_there_before_any_row(self, case, task, part):
        """Rules are checked against the values of no rows: a name that comes later would be refused."""
        batch, _, _ = draw(task, 60, 2, 0.0)
        empty = part.result(part.create(), CTX).values
        full = part.result(part.add(part.create(), batch), CTX).values
        assert empty.keys() == full.keys()
        for name, value in full.items():
            assert not isinstance(value, dict) or empty[name] is None or empty[name].keys() == value.keys()

    def test_rows_that_weigh_wrongly_are_left_out_and_counted(self, case, task, part):
        batch, rows, _ = draw(task, 60, 3, 0.0)
        bad = np.array([np.nan, -1.0, np.inf] * 2 + [1.5] * 54)
        weighed = case.metric(True).bind(batch.schema)
        assert weighed.kept_columns() == ("w",)
        assert part.kept_columns() == ()
        result = weighed.result(weighed.add(weighed.create(), batch.with_inputs(w=numeric(bad))), CTX)
        assert result.n == 54
        assert result.details["left_out"] == 6
        check(case, result, Known(rows.schema, rows.y[6:], rows.z[6:], rows.p[6:], np.full(54, 1.5)))

    def test_an_attribute_weighs_as_an_input_does(self, case, task, part):
        """What is kept until the label comes is an attribute, and attributes of a request are texts."""
        batch, _, _ = draw(task, 60, 4, 0.0, ties=True)
        weighed = case.metric(True).bind(batch.schema)
        as_input = weighed.compute(batch)
        texts = [str(value) for value in batch.inputs["w"].values]
        later = batch.replace(inputs={}, attributes={"w": category(texts)})
        assert weighed.compute(later).to_json() == as_input.to_json()
        nowhere = weighed.compute(batch.replace(inputs={}))
        assert nowhere.n == 0
        assert nowhere.details["left_out"] == 60

    def test_weights_of_one_change_nothing(self, case, task, part):
        batch, _, _ = draw(task, 80, 5, 0.2)
        ones = batch.with_inputs(w=numeric(np.ones(80)))
        same(case.metric(True).compute(ones), part.compute(ones))

    def test_state_goes_through_bytes(self, case, task, part):
        batch, _, _ = draw(task, 50, 6, 0.1)
        state = part.add(part.create(), batch)
        assert part.result(decode(encode(state)), CTX) == part.result(state, CTX)

    def test_the_other_kind_of_task_is_refused(self, case, task, part):
        other = draw("binary" if task == "regression" else "regression", 0, 0, 0.0)[0].schema
        with pytest.raises(ValueError, match=r"schema\.task is '(regression|binary)'; allowed"):
            case.metric(False).bind(other)


def test_states_of_different_classes_are_not_merged():
    binary, four = (draw(task, 10, 0, 0.0)[0] for task in ("binary", "multiclass"))
    for case in CASES:
        if {"binary", "multiclass"} <= set(case.tasks) and "classes" in case.metric(False).create():
            part = case.metric(False)
            left, right = part.add(part.create(), binary), part.add(part.create(), four)
            with pytest.raises(ValueError, match=f"{case.use}: states of different classes"):
                part.merge(left, right)


def test_a_million_equal_labels_in_shards_stay_equal():
    """Their spread is 0, whatever rounding says: r2 would be minus a huge number."""
    part = CASES[-2].metric(False)
    assert type(part).__name__ == "R2"
    state = part.create()
    for seed in range(50):
        rng = np.random.default_rng(seed)
        batch = Batch({}, prediction=numeric(rng.normal(size=997)), labels=numeric(np.full(997, 0.1)))
        state = part.merge(part.add(part.create(), batch), state)
    assert part.result(state, CTX).values["r2"] is None
    assert part.result(state, CTX).n == 50 * 997
