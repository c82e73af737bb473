"""Mahalanobis and isolation forest: closed forms, literal cases, ranking on real data, false discoveries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import mahalanobis as scipy_distance
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest as Forest
from sklearn.metrics import roc_auc_score

from vedette.components.outlier._isolation_trees import IsolationTrees
from vedette.components.outlier.isolation_forest import IsolationForest
from vedette.components.outlier.mahalanobis import Mahalanobis
from vedette_specs import Batch, NotFittedError, OutlierDetector, category, numeric, tensor
from vedette_specs.codec import decode, encode
from vedette_specs.decisions import benjamini_hochberg

BOTH = [Mahalanobis, IsolationForest]


def names(rows: np.ndarray) -> Batch:
    return Batch({f"x{i}": numeric(column) for i, column in enumerate(rows.T)})


def correlated(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([1, -2, 3], [[4, 1, 0.5], [1, 2, 0.3], [0.5, 0.3, 1]], size=n)


def trained_on(rows: np.ndarray, **options) -> Mahalanobis:
    """Fitted on exactly these rows: no calibration split, for comparison with closed forms."""
    detector = Mahalanobis(**options)
    detector.fit_batch(names(rows))
    return detector


# --- Mahalanobis ----------------------------------------------------------------------------------------------------


def test_distance_is_scipys():
    rows = correlated(500)
    scores = trained_on(rows).score_batch(names(rows[:20]))
    inverse = np.linalg.inv(np.cov(rows.T, bias=True))
    expected = [scipy_distance(row, rows.mean(axis=0), inverse) for row in rows[:20]]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_shrinkage_is_ledoit_and_wolfs_on_scaled_columns():
    rows = correlated(40)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    expected, _ = ledoit_wolf(scaled, assume_centered=True)
    np.testing.assert_allclose(trained_on(rows, shrinkage="ledoit_wolf").covariance_, expected, rtol=1e-10)


def test_auto_shrinks_only_where_rows_are_few():
    few, many = correlated(8), correlated(9)
    assert np.array_equal(trained_on(few).covariance_, trained_on(few, shrinkage="ledoit_wolf").covariance_)
    assert np.array_equal(trained_on(many).covariance_, trained_on(many, shrinkage="none").covariance_)


def test_units_do_not_matter():
    rows, units = correlated(300), np.array([1e6, 1e-6, 1.0])
    np.testing.assert_allclose(
        trained_on(rows * units).score_batch(names(rows * units)), trained_on(rows).score_batch(names(rows)), rtol=1e-8
    )


def test_missing_values_leave_the_marginal_distance_at_the_same_level():
    rows = correlated(4000)
    detector = trained_on(rows)
    partial = np.array([[5.0, np.nan, np.nan], [np.nan, -2.0, 5.0]])
    scores = detector.score_batch(names(partial))
    one = (5 - rows[:, 0].mean()) ** 2 / rows[:, 0].var()
    two = scipy_distance([-2, 5], rows[:, 1:].mean(axis=0), np.linalg.inv(np.cov(rows[:, 1:].T, bias=True))) ** 2
    for score, marginal, k in zip(scores, (one, two), (1, 2), strict=True):
        assert stats.chi2(3).sf(score**2) == pytest.approx(stats.chi2(k).sf(marginal), abs=0.01)


def test_missing_at_random_keeps_the_false_positive_rate():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6000, 8))
    detector = Mahalanobis().fit(rows)
    fresh = rng.normal(size=(4000, 8))
    fresh[rng.random(fresh.shape) < 0.3] = np.nan
    rate = np.mean(detector.p_values(fresh) <= 0.05)
    assert rate == pytest.approx(0.05, abs=0.015)


def test_what_cannot_be_scored_and_what_is_infinite():
    detector = Mahalanobis().fit(correlated(300))
    scores = detector.outlier_scores(np.array([[np.nan] * 3, [np.inf, np.nan, 0], [1, -2, -np.inf], [1, -2, 3]]))
    assert np.isnan(scores[0])
    assert np.isinf(scores[1:3]).all()
    assert scores[3] < 1
    assert detector.p_values(np.full((1, 3), np.nan)) == [1.0]


def test_an_incomplete_reference():
    rng = np.random.default_rng(0)
    rows = correlated(20_000)
    holes = np.where(rng.random(rows.shape) < 0.2, np.nan, rows)
    np.testing.assert_allclose(trained_on(holes).covariance_, np.corrcoef(rows.T), atol=0.03)
    with pytest.raises(ValueError, match=r"columns \['x1'\] have no value"):
        trained_on(np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]]))


def test_constant_and_collinear_columns():
    x = np.random.default_rng(0).normal(size=(600, 1))
    detector = trained_on(np.hstack([x, 2 * x, np.full_like(x, 7.0)]))
    inlier, broken, moved = detector.score_batch(names(np.array([[1.0, 2.0, 7.0], [1.0, -2.0, 7.0], [1.0, 2.0, 9.0]])))
    assert inlier == pytest.approx(1, abs=0.2)
    assert broken > 100
    assert moved > inlier


# --- isolation forest -----------------------------------------------------------------------------------------------


def test_mixed_columns_rank_rare_and_unseen_categories_last():
    rng = np.random.default_rng(0)
    reference = Batch(
        {
            "x": numeric(rng.normal(size=3000)),
            "c": category(rng.choice(["common", "usual", "rare"], 3000, p=[0.6, 0.39, 0.01])),
        }
    )
    detector = IsolationForest().fit(reference)
    common, rare, unseen, missing, far = detector.outlier_scores(
        Batch(
            {
                "x": numeric([0, 0, 0, 0, 6]),
                "c": category(["common", "rare", "never seen", None, "common"]),
            }
        )
    )
    assert common < rare < unseen + 1e-12
    assert common < missing
    assert common < far


def test_missing_numbers_are_strange_where_they_are_rare():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 2))
    rows[:30, 0] = np.nan
    detector = IsolationForest().fit(rows)
    whole, hole = detector.outlier_scores(np.array([[0.0, 0.0], [np.nan, 0.0]]))
    assert hole > whole
    assert np.isfinite(detector.outlier_scores(np.array([[np.inf, -np.inf]]))).all()
    assert np.isnan(detector.outlier_scores(np.full((1, 2), np.nan))).all()


def test_columns_without_values_and_columns_chosen():
    rows = {"x": [1.0, 2.0, 3.0] * 30, "empty": [np.nan] * 90, "c": ["a", "b", "c"] * 30}
    assert np.isfinite(IsolationForest(trees=10).fit(rows).outlier_scores(rows)).all()
    assert IsolationForest(trees=10, columns=["c"]).fit(rows).columns_ == ["c"]


@pytest.mark.parametrize("n", [1, 2, 3, 50, 3000])
def test_scores_are_those_of_scikit_learn(n):
    rng = np.random.default_rng(n)
    reference, rows = rng.normal(size=(n, 4)).round(1), 2 * rng.normal(size=(300, 4))
    forest = Forest(n_estimators=50, max_samples=min(256, n), random_state=0).fit(reference)
    np.testing.assert_array_equal(IsolationTrees(forest).scores(rows), -forest.score_samples(rows))


def test_a_detector_that_is_fitted_again_has_the_new_forest():
    rows, others = correlated(500), 5.0 + correlated(500)
    detector = IsolationForest(trees=20).fit(rows)
    before = detector.outlier_scores(rows)
    np.testing.assert_array_equal(
        detector.fit(others).outlier_scores(rows), IsolationForest(trees=20).fit(others).outlier_scores(rows)
    )
    assert not np.array_equal(before, detector.outlier_scores(rows))


def test_same_seed_same_forest():
    rows = correlated(500)
    one, two, three = (IsolationForest(random_state=seed, trees=20).fit(rows) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.outlier_scores(rows), two.outlier_scores(rows))
    assert not np.array_equal(one.outlier_scores(rows), three.outlier_scores(rows))


# --- both -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
def test_scores_are_pure_and_row_by_row(kind):
    rows = correlated(600)
    rows[::7, 1] = np.nan
    detector = kind().fit(rows)
    together = detector.outlier_scores(rows[:50])
    alone = np.concatenate([detector.outlier_scores(row[None]) for row in rows[:50]])
    np.testing.assert_allclose(alone, together, rtol=1e-12)
    np.testing.assert_array_equal(detector.outlier_scores(rows[:50]), together)
    assert detector.outlier_scores(rows[:0]).shape == (0,)
    np.testing.assert_array_equal(rows, detector.rows(rows).matrix())


@pytest.mark.parametrize("kind", BOTH)
def test_errors_name_what_is_wrong(kind):
    with pytest.raises(ValueError, match=r"columns: \['nope'\].*allowed: \['x0', 'x1', 'x2'\]"):
        kind(columns=["nope"]).fit(correlated(100))
    with pytest.raises(ValueError, match="needs a numeric"):
        kind().fit(Batch({"e": tensor("embedding", np.zeros((9, 2)))}))
    with pytest.raises(NotFittedError):
        kind().outlier_scores(correlated(3))
    with pytest.raises(ValueError, match="missing"):
        kind().fit(correlated(100)).outlier_scores({"x0": [1.0], "x1": [2.0]})


def test_wrong_options():
    with pytest.raises(ValueError, match="shrinkage: 'much'"):
        Mahalanobis(shrinkage="much")
    with pytest.raises(ValueError, match="trees: 0"):
        IsolationForest(trees=0)


def test_fitted_state_of_mahalanobis_round_trips():
    rows = correlated(300)
    detector = Mahalanobis().fit(rows)
    other = Mahalanobis().bind(detector.schema).from_state(decode(encode(detector.to_state())))
    np.testing.assert_array_equal(other.p_values(rows), detector.p_values(rows))


def ranking(make, inliers: np.ndarray, outliers: np.ndarray, seed: int) -> float:
    """AUC of outliers against the fifth of the inliers that was not fitted on."""
    order = np.random.default_rng(seed).permutation(len(inliers))
    cut = len(inliers) * 4 // 5
    detector: OutlierDetector = make(random_state=seed).fit(inliers[order[:cut]])
    held = inliers[order[cut:]]
    scores = detector.outlier_scores(np.concatenate([held, outliers]))
    return float(roc_auc_score(np.repeat([0, 1], [len(held), len(outliers)]), scores))


@pytest.mark.parametrize(("kind", "bar"), [(Mahalanobis, 0.96), (IsolationForest, 0.95)])
def test_malignant_tumours_are_outliers(kind, bar):
    rows, benign = load_breast_cancer(return_X_y=True)
    found = [ranking(kind, rows[benign == 1], rows[benign == 0], seed) for seed in range(8)]
    assert np.mean(found) >= bar


@pytest.mark.parametrize(("kind", "bar"), [(Mahalanobis, 0.975), (IsolationForest, 0.965)])
def test_other_digits_are_outliers(kind, bar):
    rows, digit = load_digits(return_X_y=True)
    found = [ranking(kind, rows[digit == k], rows[digit != k], 0) for k in range(10)]
    assert np.mean(found) >= bar


def false_discoveries(detector: OutlierDetector, tick: int, ticks: int, share: float, seed: int) -> list[float]:
    """False discovery proportion of each tick's flags at q = 0.1, with a share of outliers six away."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(ticks):
        outlier = rng.random(tick) < share
        rows = rng.normal(size=(tick, 4))
        rows[outlier] += rng.choice([-6, 6], size=(int(outlier.sum()), 4))
        flags = benjamini_hochberg(detector.p_values(rows), 0.1)
        found.append(float((flags & ~outlier).sum() / max(1, flags.sum())))
    return found


@pytest.mark.parametrize(("tick", "ticks", "share"), [(1, 400, 0.0), (20, 150, 0.1), (200, 40, 0.05), (2000, 10, 0.05)])
def test_false_discovery_rate_is_kept_whatever_the_size_of_a_tick(tick, ticks, share):
    """Over several references too: the guarantee is on average over the calibration rows."""
    found = []
    for seed in range(5):
        detector = Mahalanobis(random_state=seed).fit(np.random.default_rng(100 + seed).normal(size=(15_000, 4)))
        assert len(detector.calibration_) == 5000
        found += false_discoveries(detector, tick, ticks, share, seed)
    assert np.mean(found) <= 0.1 + 2 * np.std(found) / np.sqrt(len(found))


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_false_discovery_rate_over_many_references(kind):
    found = []
    for seed in range(30):
        detector = kind(random_state=seed).fit(np.random.default_rng(500 + seed).normal(size=(15_000, 4)))
        found.append(np.mean(false_discoveries(detector, 500, 10, 0.05, seed)))
    assert np.mean(found) <= 0.1 + 2 * np.std(found) / np.sqrt(len(found))


def test_p_values_are_valid_for_new_rows():
    rng = np.random.default_rng(1)
    p = Mahalanobis().fit(rng.standard_t(3, size=(9000, 5))).p_values(rng.standard_t(3, size=(5000, 5)))
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) * (1 / 5000 + 1 / 3000))
