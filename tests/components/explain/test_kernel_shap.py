"""Shapley values: brute force, closed forms, exact tree values, budgets, error bars."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from vedette.components.explain.coalitions import choose, design, sizes_weights
from vedette.components.explain.kernel_shap import KernelShap
from vedette.components.explain.shapley import _regressed, combine, game_values
from vedette.engine.explain.broker import Broker, ExplainRequest, explain
from vedette_specs import Batch, Explanation, NotFittedError, Schema, category, concat, numeric, tensor, text
from vedette_specs.codec import decode, encode


def values(explanation: Explanation, output: str = "output", what: str = "shap_values") -> np.ndarray:
    return np.array([np.nan if v is None else v for v in explanation.data[what][output].values()])


def adds_up(explanation: Explanation) -> bool:
    data = explanation.data
    return all(
        abs(data["expected_value"][output] + sum(phi.values()) - data["raw"]["raw_prediction"][output]) < 1e-10
        for output, phi in data["shap_values"].items()
    )


def brute_force(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley's formula over all coalitions."""
    d = len(x)

    def worth(coalition: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(coalition)] = x[list(coalition)]
        return float(f(rows).mean())

    phi = np.zeros(d)
    for i in range(d):
        others = [j for j in range(d) if j != i]
        for size in range(d):
            for coalition in combinations(others, size):
                weight = factorial(size) * factorial(d - size - 1) / factorial(d)
                phi[i] += weight * (worth(tuple(sorted((*coalition, i)))) - worth(coalition))
    return phi


def rough(rows: np.ndarray) -> np.ndarray:
    """A function with interactions of every order."""
    return np.sin(rows[:, 0] * rows[:, 1]) + np.exp(rows[:, 2] / 2) * rows[:, 3] + rows.prod(axis=1)


ROWS = np.random.default_rng(0).normal(size=(400, 4))


# --- exact ----------------------------------------------------------------------------------------------------------


def test_exact_is_brute_force():
    explainer = KernelShap(background=30).fit(ROWS)
    x = np.array([1.0, -0.5, 2.0, 0.3])
    (found,) = explainer.explain(x[None], rough, max_rows=31 + 14 * 30)
    assert found.params["method"] == "exact"
    assert found.params["coalitions"] == 14 * 30
    expected = brute_force(rough, x, explainer.background_.matrix())
    np.testing.assert_allclose(values(found), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(values(found, what="standard_error"), 0.0)
    assert adds_up(found)


def test_one_row_less_is_not_exact():
    assert choose(4, 1, 30, 31 + 14 * 30).method == "exact"
    assert choose(4, 1, 30, 30 + 14 * 30).method != "exact"


def test_one_feature_takes_all():
    explainer = KernelShap(background=50).fit({"x": ROWS[:, 0]})
    (found,) = explainer.explain({"x": [2.0]}, lambda rows: np.square(rows["x"]))
    assert values(found)[0] == pytest.approx(4 - np.mean(explainer.background_.matrix() ** 2))
    assert adds_up(found)


def test_two_players_by_hand():
    """f = x y against (0, 0) at (2, 3): both add 3."""
    explainer = KernelShap().fit(np.zeros((2, 2)))
    (found,) = explainer.explain(np.array([[2.0, 3.0]]), lambda rows: rows[:, 0] * rows[:, 1])
    np.testing.assert_allclose(values(found), [3, 3], atol=1e-12)
    assert found.data["expected_value"] == {"output": 0.0}


# --- every method ---------------------------------------------------------------------------------------------------

PLANS = {"permutation": (100, 1200), "leverage": (5, 1200), "exact": (1, 1200)}


@pytest.mark.parametrize("method", PLANS)
def test_linear_models_have_their_closed_form(method):
    background, max_rows = PLANS[method]
    d = 6 if method == "exact" else 12
    rng = np.random.default_rng(1)
    rows, weights, x = rng.normal(size=(500, d)), rng.normal(size=d), rng.normal(size=d)
    explainer = KernelShap(background=background).fit(rows)
    (found,) = explainer.explain(x[None], lambda r: r @ weights + 7, max_rows=max_rows)
    assert found.params["method"] == method
    expected = weights * (x - explainer.background_.matrix().mean(axis=0))
    # Also where permutations use only some of the background rows: the control variate is linear too.
    np.testing.assert_allclose(values(found), expected, atol=1e-9)
    assert adds_up(found)


@pytest.mark.parametrize("max_rows", [1 + 100 + 22 * 100])
def test_a_pass_over_the_whole_background_is_exact_for_linear_models(max_rows):
    rng = np.random.default_rng(1)
    rows, weights, x = rng.normal(size=(500, 12)), rng.normal(size=12), rng.normal(size=12)
    explainer = KernelShap().fit(rows)
    (found,) = explainer.explain(x[None], lambda r: r @ weights, max_rows=max_rows)
    assert (found.params["method"], found.params["games"]) == ("permutation", 100)
    expected = weights * (x - explainer.background_.matrix().mean(axis=0))
    np.testing.assert_allclose(values(found), expected, atol=1e-12)


@pytest.mark.parametrize("method", PLANS)
@pytest.mark.parametrize("seed", range(3))
def test_additivity_and_dummy_features(method, seed):
    background, max_rows = PLANS[method]
    d = 6 if method == "exact" else 12
    rng = np.random.default_rng(seed)
    explainer = KernelShap(background=background).fit(rng.normal(size=(300, d)))

    def predict(rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rough(rows[:, :4]), np.cos(rows[:, 0])])

    found = explainer.explain(rng.normal(size=(1, d)), predict, max_rows=max_rows, random_state=seed)[0]
    assert adds_up(found)
    if method != "leverage":
        np.testing.assert_allclose(values(found, "0")[4:], 0, atol=1e-12)
    np.testing.assert_allclose(values(found, "1")[1:], 0, atol=1e-12 if method != "leverage" else 0.1)


def test_symmetric_features_get_the_same_in_exact():
    explainer = KernelShap(background=3).fit(np.ones((5, 4)))
    (found,) = explainer.explain(np.full((1, 4), 2.0), lambda rows: rows.prod(axis=1))
    np.testing.assert_allclose(values(found), 15 / 4, rtol=1e-12)


@pytest.mark.parametrize("method", PLANS)
def test_error_bars_cover(method):
    """The root mean square of error / standard error: one where it is sampling, less where an upper bound."""
    background, max_rows = PLANS[method]
    rows = np.random.default_rng(0).normal(size=(300, 8)) * 0.7
    explainer = KernelShap(background=background).fit(rows)
    x = np.full(8, 0.8)

    def predict(r: np.ndarray) -> np.ndarray:
        return np.exp(r.sum(axis=1) / 3) + r[:, 0] * r[:, 1] * r[:, 2]

    truth = values(explainer.explain(x[None], predict, max_rows=10**6)[0])
    budget = {"exact": 256, "leverage": 500, "permutation": max_rows}[method]
    runs = [explainer.explain(x[None], predict, max_rows=budget, random_state=seed)[0] for seed in range(40)]
    assert {run.params["method"] for run in runs} == {method}
    errors = np.array([values(run) - truth for run in runs])
    if method == "exact":
        np.testing.assert_allclose(errors, 0, atol=1e-9)
        return
    claimed = np.array([values(run, what="standard_error") for run in runs])
    ratio = np.sqrt((errors**2).mean() / (claimed**2).mean())
    assert 0.1 < ratio < 1.3
    assert np.abs(errors.mean(axis=0)).max() < 4 * claimed.mean() / np.sqrt(40) + 0.02 * np.abs(truth).max()


def test_a_single_game_does_not_know_its_error():
    explainer = KernelShap(background=1).fit(np.random.default_rng(0).normal(size=(5, 20)))
    (found,) = explainer.explain(np.ones((1, 20)), lambda r: r.prod(axis=1), max_rows=2 + 38)
    assert found.params["method"] == "permutation"
    assert set(found.data["standard_error"]["output"].values()) == {None}
    json.dumps(found.to_json(), allow_nan=False)


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


# --- designs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "background", "max_rows"), [(5, 3, 90), (8, 10, 1200), (9, 7, 3000), (30, 5, 2000)]
)
def test_leverage_designs(features, background, max_rows):
    plan = choose(features, 1, background, max_rows)
    assert plan.method == "leverage"
    rows, masks = design(plan, features, np.random.default_rng(0))
    assert sorted(rows.tolist()) == list(range(background))
    assert masks.shape == (background, plan.coalitions, features)
    np.testing.assert_array_equal(masks[:, 1::2], ~masks[:, ::2])
    sizes = masks.sum(axis=2)
    assert sizes.min() >= 1
    assert sizes.max() <= features - 1
    per_size = np.bincount(sizes.ravel(), minlength=features)[1:] / background
    capacity = np.array([comb(features, s) for s in range(1, features)])
    free = per_size < capacity - 0.5
    if free.any():  # where there are coalitions left, about as many of every size
        assert np.ptp(per_size[free]) <= 2
    inside = masks.sum(axis=1)
    assert np.ptp(inside, axis=1).max() <= 0.25 * plan.coalitions


def test_permutation_designs():
    plan = choose(12, 1, 100, 1200)
    rows, masks = design(plan, 12, np.random.default_rng(0))
    assert len(set(rows.tolist())) == len(rows) == plan.games
    np.testing.assert_array_equal(masks[0, ::2].sum(axis=1), np.arange(1, 12))
    assert (masks[0, 2::2] >= masks[0, :-2:2]).all()
    np.testing.assert_array_equal(masks[0, 1::2], ~masks[0, ::2])


def test_kernel_weights_are_shapleys():
    """All coalitions: the weight of a size is (d - 1) / (C(d, s) s (d - s)), up to a factor."""
    _, masks = design(choose(5, 1, 1, 100), 5, np.random.default_rng(0))
    weights = sizes_weights(masks[0])
    sizes = masks[0].sum(axis=1)
    expected = np.array([4 / (comb(5, s) * s * (5 - s)) for s in sizes])
    np.testing.assert_allclose(weights / weights[0], expected / expected[0])


def test_combining_games_keeps_the_sum_and_the_dummies():
    phi = np.array([[[1.0], [0.0], [3.0]], [[2.0], [0.0], [1.0]]])
    found, error = combine(phi, np.full_like(phi, np.nan), np.array([0, 1]), np.zeros((2, 3)), np.array([5.0]))
    assert found.sum() == pytest.approx(5.0)
    assert found[1] == 0.0
    np.testing.assert_allclose(error[:, 0], [0.5, 0, 1])
    found, error = combine(phi[:1], np.full((1, 3, 1), np.nan), np.array([0]), np.zeros((2, 3)), np.array([5.0]))
    assert np.isnan(error).all()
    assert found[1] == 0.0


def test_the_control_variate_is_least_squares():
    """Intercept and its standard error as of an ordinary regression, for each feature and output apart."""
    rng = np.random.default_rng(0)
    known, phi = rng.normal(1.0, 1.0, (12, 3, 1)), rng.normal(size=(12, 3, 2))
    found, variance = _regressed(phi, known)
    for i in range(3):
        for k in range(2):
            matrix = np.column_stack([np.ones(12), known[:, i, 0]])
            beta, ssr, _, _ = np.linalg.lstsq(matrix, phi[:, i, k], rcond=None)
            assert found[i, k] == pytest.approx(beta[0])
            assert variance[i, k] == pytest.approx(ssr[0] / 10 * np.linalg.inv(matrix.T @ matrix)[0, 0])


def test_few_games_are_regressed_on_their_predictions():
    """phi is a multiple of what each game adds up to: exact after the regression, with no error left."""
    sums = np.array([1.0, 2.0, 4.0, 3.0, 6.0])
    phi = sums[:, None, None] * np.array([0.75, 0.25, 0.0])[None, :, None]
    found, error = combine(phi, np.full_like(phi, np.nan), np.arange(5), np.zeros((9, 3)), np.array([10.0]))
    np.testing.assert_allclose(found[:, 0], [7.5, 2.5, 0], atol=1e-12)
    np.testing.assert_allclose(error, 0, atol=1e-7)


def test_permutation_values_by_hand():
    """Two features: the order is in the first head; the odd coalition is its complement."""
    masks = np.array([[False, True], [True, False]])
    phi, _ = game_values("permutation", masks, np.array([[4.0], [1.0]]), np.array([0.0]), np.array([6.0]))
    np.testing.assert_allclose(phi[:, 0], [(6 - 4 + 1 - 0) / 2, (4 - 0 + 6 - 1) / 2])


# --- a random forest on breast cancer: METHODS' bars ------------------------------------------------------------------


def tree_shapley(tree, x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Exact interventional Shapley values of one tree: its leaves, told apart by who must be in and who out."""
    t = tree.tree_
    worth = t.value[:, 0, 1] / t.value[:, 0].sum(axis=1)
    x, background = x.astype(np.float32), background.astype(np.float32)
    phi = np.zeros(len(x))
    for row in background:
        stack = [(0, frozenset(), frozenset())]
        while stack:
            node, inside, outside = stack.pop()
            if t.children_left[node] < 0:
                p, q = len(inside), len(outside)
                for i in inside:
                    phi[i] += factorial(p - 1) * factorial(q) / factorial(p + q) * worth[node]
                for i in outside:
                    phi[i] -= factorial(p) * factorial(q - 1) / factorial(p + q) * worth[node]
                continue
            j = int(t.feature[node])
            own, other = (
                t.children_left[node] if v[j] <= t.threshold[node] else t.children_right[node] for v in (x, row)
            )
            if own == other:
                stack.append((own, inside, outside))
            else:
                if j not in outside:
                    stack.append((own, inside | {j}, outside))
                if j not in inside:
                    stack.append((other, inside, outside | {j}))
    return phi / len(background)


@pytest.fixture(scope="module")
def forest():
    rows, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    train, test = order[:400], order[400:]
    model = RandomForestClassifier(100, random_state=0).fit(rows[train], labels[train])
    explainer = KernelShap(background=50).fit(rows[train])
    background = explainer.background_.matrix()
    cases = rows[test[:6]]
    truth = np.array([np.mean([tree_shapley(t, x, background) for t in model.estimators_], axis=0) for x in cases])
    return explainer, lambda r: model.predict_proba(r)[:, 1], cases, truth


def relative_error(forest, max_rows: int, seeds: int) -> float:
    explainer, predict, cases, truth = forest
    found = []
    for seed in range(seeds):
        for x, phi in zip(cases, truth, strict=True):
            (one,) = explainer.explain(x[None], predict, max_rows=max_rows, random_state=seed)
            found.append(np.linalg.norm(values(one) - phi) / np.linalg.norm(phi))
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("coalitions", "bar"),
    [
        (64, 0.07),
        pytest.param(256, 0.03, marks=pytest.mark.slow),
        pytest.param(1024, 0.012, marks=pytest.mark.slow),
    ],
)
def test_relative_error_on_a_random_forest(forest, coalitions, bar):
    """At the rows that 64, 256, 1024 coalitions over 50 background rows cost. The best peers: .130, .063, .026."""
    assert relative_error(forest, coalitions * 50, seeds=2) <= bar


@pytest.mark.parametrize(("max_rows", "bar"), [(2000, 0.11), (450, 0.35)])
def test_the_default_budget_and_a_share_of_it_on_a_random_forest(forest, max_rows, bar):
    assert relative_error(forest, max_rows, seeds=3) <= bar


@pytest.mark.parametrize("max_rows", [450, 900, 2000, 12_800])
def test_error_bars_on_a_random_forest(forest, max_rows):
    explainer, predict, cases, truth = forest
    errors, claimed = [], []
    for seed in range(4 if max_rows < 10_000 else 1):
        for x, phi in zip(cases, truth, strict=True):
            (one,) = explainer.explain(x[None], predict, max_rows=max_rows, random_state=seed)
            errors.append(values(one) - phi)
            claimed.append(values(one, what="standard_error"))
    ratio = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(claimed)))
    assert 0.3 < ratio < 1.3


@pytest.mark.parametrize("features", [1, 4, 15])
@pytest.mark.parametrize("answer", ["sometimes", "always", "instance"])
def test_infinite_answers_are_not_known_and_warn_of_nothing(features: int, answer: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, features))
    rows[0, 0] = np.inf if answer == "instance" else rows[0, 0]

    def predict(batch: Batch) -> np.ndarray:
        total = batch.matrix().sum(axis=1)
        if answer == "always":
            return np.full(len(total), -np.inf)
        return np.where(total < 0, np.inf, total) if answer == "sometimes" else total

    reference = Batch({f"x{i}": numeric(column) for i, column in enumerate(rng.normal(size=(300, features)).T)})
    asked = Batch({f"x{i}": numeric(column) for i, column in enumerate(rows.T)})
    found = KernelShap().fit(reference).explain(asked, predict=predict, max_rows=500, random_state=0)
    assert np.isnan(values(found[0])).any()
    json.dumps(found[0].to_json(), allow_nan=False)
