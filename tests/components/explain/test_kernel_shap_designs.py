"""Which coalitions are asked for, and how their answers become Shapley values."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from vedette.components.explain.coalitions import choose, design, sizes_weights
from vedette.components.explain.shapley import _regressed, combine, game_values


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
