"""Kernel SHAP as it is used: columns of every kind, budgets, deadlines, errors."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from tests.components.explain.shapley import ROWS, adds_up, rough, values

from vedette.components.explain.kernel_shap import KernelShap
from vedette.engine.explain.broker import Broker, ExplainRequest, explain
from vedette_specs import Batch, NotFittedError, Schema, category, concat, numeric, tensor, text
from vedette_specs.codec import decode, encode

# --- mixed columns --------------------------------------------------------------------------------------------------


def mixed(n: int, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(
        {
            "age": numeric(rng.normal(40, 10, n)),
            "job": category(rng.choice(["nurse", "smith", "clerk"], n)),
            "note": text(rng.choice(["all well", "not well"], n)),
            "face": tensor("embedding", rng.normal(size=(n, 3))),
        },
        schema=Schema(
            features={"age": "numeric", "job": "category", "note": "text", "face": "embedding"},
            task="binary",
            classes=("no", "yes"),
            positive="yes",
        ),
    )


def score(rows: Batch) -> np.ndarray:
    job = np.array([{"nurse": 1.0, "smith": 2.0, "clerk": 3.0, "pilot": 9.0}[j] for j in rows.inputs["job"].strings()])
    note = np.array([len(t) for t in rows.inputs["note"].strings()], dtype=float)
    return rows.inputs["age"].values + 10 * job + note + rows.inputs["face"].values.sum(axis=1)


def test_columns_of_every_kind_are_taken_out_whole():
    reference = mixed(200)
    explainer = KernelShap(background=20).fit(reference)
    row = mixed(1, seed=9).with_inputs(job=category(["pilot"]))  # a category that the background does not have
    (found,) = explain(explainer, row, score, max_rows=5000)
    background = explainer.background_
    for name in ("job", "face"):
        parts = {"job": 10.0, "face": 1.0}
        whole = concat([row, background]) if name == "face" else None
        if whole is not None:
            sums = whole.inputs["face"].values.sum(axis=1)
            assert found.data["shap_values"]["yes"]["face"] == pytest.approx(sums[0] - sums[1:].mean(), abs=1e-9)
        else:
            levels = {"nurse": 1, "smith": 2, "clerk": 3}
            mean = np.mean([levels[j] for j in background.inputs["job"].strings()])
            assert found.data["shap_values"]["yes"]["job"] == pytest.approx(parts["job"] * (9 - mean), abs=1e-9)
    assert found.data["instance"]["job"] == "pilot"
    assert adds_up(found)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()


def test_missing_values_are_values():
    explainer = KernelShap(background=4).fit({"x": [1.0, 2.0, 3.0, np.nan], "y": [0.0, 1.0, 0.0, 1.0]})
    (found,) = explainer.explain({"x": [np.nan], "y": [1.0]}, lambda r: [x is None for x in r["x"]])
    assert found.data["shap_values"]["output"]["x"] == pytest.approx(0.75)
    assert found.data["instance"]["x"] is None


def test_predictions_that_are_no_numbers_are_none_and_not_zero():
    explainer = KernelShap(background=4).fit(ROWS)
    (found,) = explainer.explain(ROWS[:1], lambda rows: np.full(len(rows), np.nan))
    assert set(found.data["shap_values"]["output"].values()) == {None}


def test_names_of_outputs():
    explainer = KernelShap(background=4).fit(mixed(20))
    row = mixed(1, seed=1)
    two = explain(explainer, row, lambda rows: np.column_stack([score(rows), -score(rows)]))[0]
    assert list(two.data["shap_values"]) == ["no", "yes"]
    three = explain(explainer, row, lambda rows: np.column_stack([score(rows)] * 3))[0]
    assert list(three.data["expected_value"]) == ["0", "1", "2"]
    named = explain(explainer, row, score, outputs=("strangeness",))[0]
    assert list(named.data["raw"]["raw_prediction"]) == ["strangeness"]


def test_what_people_have_in_their_hands():
    import pandas as pd

    frame = pd.DataFrame({"x": ROWS[:, 0], "c": ["a", "b"] * 200})
    explainer = KernelShap(background=10).fit(frame)
    seen = []

    def predict(rows):
        seen.append(type(rows))
        return np.asarray(rows["x"], dtype=float) if not isinstance(rows, list) else [row["x"] for row in rows]

    expected = explainer.explain(frame.head(2), predict)
    assert explainer.explain({"x": frame.x[:2], "c": ["a", "b"]}, predict) == expected
    assert explainer.explain(frame.head(2).to_dict("records"), predict) == expected
    assert seen == [pd.DataFrame, dict, list]


# --- budget ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [1, 2, 5, 30])
@pytest.mark.parametrize("explained", [1, 3])
@pytest.mark.parametrize("max_rows", [250, 2000, 30_000])
def test_budgets_are_kept_and_used(features, explained, max_rows):
    rows = np.random.default_rng(0).normal(size=(150, features))
    asked = []
    explainer = KernelShap().fit(rows)
    found = explainer.explain(
        rows[:explained], lambda r: (asked.append(len(r)), r.sum(axis=1))[1], max_rows=max_rows, random_state=1
    )
    assert len(found) == explained
    assert sum(asked) == found[0].params["rows"] <= max_rows
    assert all(adds_up(one) and not one.budget_exhausted for one in found)
    if found[0].params["method"] != "exact":
        assert sum(asked) > 0.55 * max_rows
    assert len(asked) == 1 or max_rows > 8192


def test_too_small_budgets_say_what_it_takes():
    explainer = KernelShap().fit(np.random.default_rng(0).normal(size=(150, 30)))
    with pytest.raises(ValueError, match="max_rows: 100 rows cannot explain 2 rows of 30 features; it takes 119"):
        explainer.explain(np.zeros((2, 30)), lambda r: r.sum(axis=1), max_rows=100)
    (one, _) = explainer.explain(np.ones((2, 30)), lambda r: r.sum(axis=1), max_rows=119)
    assert adds_up(one)
    assert one.params["background"] == 1


def test_same_seed_same_answer_and_another_otherwise():
    rows = np.random.default_rng(0).normal(size=(150, 10))
    explainer = KernelShap().fit(rows)
    one, two, three = (explainer.explain(rows[:2], lambda r: r.prod(axis=1), random_state=s) for s in (1, 1, 2))
    assert one == two
    assert one != three


def test_one_call_through_the_broker_whatever_the_number_of_rows():
    rows = np.random.default_rng(0).normal(size=(150, 10))
    explainer = KernelShap().fit(rows)
    calls = []
    broker = Broker(lambda batch: (calls.append(len(batch)), batch.matrix().sum(axis=1))[1])
    found = broker.explain(explainer, explainer.rows(rows[:7]), max_rows=2000)
    assert len(found) == 7
    assert len(calls) == 1
    (left,), (right,) = Broker(lambda batch: batch.matrix().prod(axis=1)).explain_many(
        [ExplainRequest(explainer, explainer.rows(rows[:1]), seed=s) for s in (0, 0)]
    )
    assert left == right


def test_a_deadline_leaves_the_answer_of_the_parts_before():
    rows = np.random.default_rng(0).normal(size=(150, 10))
    explainer = KernelShap(rows_per_ask=500).fit(rows)

    def slow(batch: Batch) -> np.ndarray:
        time.sleep(0.1)
        return batch.matrix().prod(axis=1)

    start = time.monotonic()
    (found,) = explain(explainer, explainer.rows(rows[:1]), slow, max_rows=20_000, deadline=0.35)
    assert time.monotonic() - start < 1
    assert found.budget_exhausted
    assert 0 < found.params["rows"] <= 4 * 600
    assert adds_up(found)
    assert np.isfinite(values(found, what="standard_error")).all()


def test_a_deadline_before_the_first_answer_leaves_nothing_known():
    rows = np.random.default_rng(0).normal(size=(150, 10))
    explainer = KernelShap().fit(rows)
    (found,) = explain(
        explainer, explainer.rows(rows[:1]), lambda b: (time.sleep(0.3), np.zeros(len(b)))[1], deadline=0.05
    )
    assert found.budget_exhausted
    assert found.data["shap_values"] == found.data["expected_value"] == {}
    assert found.data["instance"]["x0"] == rows[0, 0]


def test_partial_answers_of_every_method():
    rows = np.random.default_rng(0).normal(size=(60, 6))
    for background, max_rows, method in ((40, 3000, "exact"), (40, 2000, "leverage"), (40, 600, "permutation")):
        explainer = KernelShap(background=background, rows_per_ask=200).fit(rows)
        (found,) = explain(
            explainer, explainer.rows(rows[:1]), lambda b: b.matrix().prod(axis=1), max_rows=max_rows, max_calls=2
        )
        assert found.params["method"] == method
        assert found.budget_exhausted
        assert adds_up(found)


def test_the_fitted_state_round_trips_and_fitting_is_seeded():
    reference = mixed(300)
    explainer = KernelShap().fit(reference)
    other = KernelShap().bind(explainer.schema).from_state(decode(encode(explainer.to_state())))
    row = mixed(1, seed=1)
    assert explain(other, row, score) == explain(explainer, row, score)
    assert len(explainer.background_) == 100
    again = KernelShap(random_state=1).fit(reference)
    assert not np.array_equal(again.background_.inputs["age"].values, explainer.background_.inputs["age"].values)


def test_errors():
    with pytest.raises(NotFittedError):
        KernelShap().explain(ROWS[:1], rough)
    with pytest.raises(ValueError, match="background: 0"):
        KernelShap(background=0)
    with pytest.raises(ValueError, match=r"\['x3'\] of the schema are missing"):
        KernelShap().fit(ROWS).explain({"x0": [1.0], "x1": [1.0], "x2": [1.0]}, rough)
    assert KernelShap().fit(ROWS).explain(ROWS[:0], rough) == []
