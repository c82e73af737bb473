"""Shapley values: brute force, closed forms, error bars."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.components.explain.shapley import ROWS, adds_up, brute_force, rough, values

from vedette.components.explain.coalitions import choose
from vedette.components.explain.kernel_shap import KernelShap
from vedette_specs import Batch, numeric

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
