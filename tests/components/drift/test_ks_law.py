"""P-values of the Kolmogorov-Smirnov statistic against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.components.drift._ks_law import exact_p_values, ks_p_values, one_sided_p_values, pelz_good_cdf


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), m=st.integers(1, 60), seed=st.integers(0, 10_000), shift=st.floats(0, 3))
def test_exact_law_is_scipys(n, m, seed, shift):
    rng = np.random.default_rng(seed)
    result = stats.ks_2samp(rng.normal(size=n), rng.normal(size=m) + shift, method="exact")
    ours = exact_p_values(np.array([result.statistic]), n, m)[0]
    assert ours == pytest.approx(result.pvalue, rel=1e-9, abs=1e-15)


def test_exact_law_by_hand():
    # D = 1 for 3 against 3: two of C(6, 3) = 20 orders
    assert exact_p_values(np.array([1.0]), 3, 3)[0] == pytest.approx(0.1, rel=1e-14)
    assert exact_p_values(np.array([0.0]), 3, 4)[0] == 1.0
    # the smallest p-value keeps its digits: 2 / C(80, 40)
    assert exact_p_values(np.array([1.0]), 40, 40)[0] == pytest.approx(2 / 107507208733336176461620, rel=1e-11)


def test_several_columns_at_once_are_each_alone():
    d = np.array([0.1, 0.3, 0.5])
    together = exact_p_values(d, 20, 50)
    assert together.tolist() == [exact_p_values(np.array([x]), 20, 50)[0] for x in d]
    assert np.all(np.diff(together) < 0)


@pytest.mark.parametrize("n", [5, 60, 140, 141, 909, 5000])
def test_asymptotic_law_is_scipys(n):
    d = np.linspace(0.3, 6.0, 60) / np.sqrt(n)
    d = d[d < 1]
    # sizes whose n m / (n + m) is n: m = n + 1, n (n + 1)
    sizes = np.full(len(d), n + 1), np.full(len(d), n * (n + 1))
    ours = ks_p_values(d, *sizes) if n > 30 else None
    expected = stats.kstwo.sf(d, n)
    if ours is None:
        assert 2 * one_sided_p_values(np.array([0.9]), n) == pytest.approx(stats.kstwo.sf(0.9, n), rel=1e-9)
        return
    assert ours == pytest.approx(expected, rel=2e-3, abs=5e-6)
    tail = expected < 1e-5
    assert ours[tail] == pytest.approx(expected[tail], rel=1e-9, abs=1e-300)


def test_expansion_is_good_to_a_few_millionths():
    for n in (141, 1000, 100_000):
        d = np.linspace(0.05, 2.2, 80) / np.sqrt(n)
        assert np.abs(pelz_good_cdf(d, np.full(80, float(n))) - stats.kstwo.cdf(d, n)).max() < 5e-6


def test_one_sided_law_is_scipys():
    d = np.array([0.05, 0.2, 0.4, 0.9])
    for n in (10, 200, 3000):
        assert one_sided_p_values(d, n) == pytest.approx(stats.ksone.sf(d, n), rel=1e-9, abs=1e-300)


def test_where_exact_meets_asymptotic_the_p_values_agree():
    # 200 x 200 is the last exact size; the continuous law is a little smaller than the discrete one
    d = np.array([22, 27, 33]) / 200
    exact = exact_p_values(d, 200, 200)
    law = ks_p_values(d, np.full(3, 201), np.full(3, 201))
    assert law == pytest.approx(exact, rel=0.25)


def test_empty_samples_have_no_p_value():
    p = ks_p_values(np.array([0.1, 0.1, 0.1]), np.array([0, 50, 50]), np.array([50, 0, 50]))
    assert np.isnan(p).tolist() == [True, True, False]


def test_extreme_statistics_are_probabilities():
    p = ks_p_values(np.array([0.0, 1.0, 1e-9]), np.full(3, 10_000), np.full(3, 1000))
    assert p.tolist() == [1.0, pytest.approx(0.0, abs=1e-100), 1.0]
