"""ks: statistic and decision against scipy, merged and not; error rate and power."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.components.drift._reference import thin
from vedette.components.drift.ks import KS
from vedette_specs import Batch, NotFittedError, ResultContext, category, numeric
from vedette_specs.codec import decode, encode

CTX = ResultContext()
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.floats(-10, 10) | st.integers(-3, 3).map(float) | st.sampled_from([np.inf, -np.inf, np.nan])


def one(values) -> Batch:
    return Batch({"x": numeric(np.asarray(values, dtype=float))})


def table(x: np.ndarray) -> Batch:
    return Batch({f"x{i}": numeric(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])})


def scipy_exact(a: np.ndarray, b: np.ndarray) -> tuple[float, float | None]:
    """Statistic and p-value; None where scipy gives up: it does for the least possible statistics, where p is 1."""
    with warnings.catch_warnings(record=True) as given_up:
        warnings.simplefilter("always")
        result = stats.ks_2samp(a, b, method="exact")
    return result.statistic, None if given_up else result.pvalue


@FAST
@given(
    reference=st.lists(VALUES, min_size=1, max_size=80), window=st.lists(VALUES, max_size=80), seed=st.integers(0, 99)
)
def test_statistic_is_scipys_with_ties_infinities_and_gaps(reference, window, seed, merged):
    ks = KS(min_rows=1).fit(one(reference))
    a, b = (np.array(v)[~np.isnan(v)] for v in (reference, window))
    for state in (ks.add(ks.create(), one(window)), merged(ks, one(window), seed)):
        verdict = ks.result(state, CTX)
        feature = verdict.features[0]
        assert (verdict.n, feature.n, feature.n_reference) == (len(window), len(b), len(a))
        if not (len(a) and len(b)):
            assert feature.statistic is feature.p_value is feature.drifted is None
            continue
        statistic, p_value = scipy_exact(a, b)
        assert feature.statistic == pytest.approx(statistic, abs=1e-12)
        assert feature.p_value == pytest.approx(1.0 if p_value is None else p_value, rel=1e-9)
        larger = np.mean([(v > a).mean() + (v == a).mean() / 2 for v in b])
        assert verdict.details["superiority"]["x"] == pytest.approx(larger, abs=1e-12)


def test_large_windows_merge_to_one_pass_exactly(merged):
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(3000, 4)).round(2), rng.normal(0.03, 1.05, size=(20_000, 4)).round(2)
    window[rng.random(window.shape) < 0.1] = np.nan
    ks = KS().fit(table(reference))
    verdict = ks.test(table(window))
    assert ks.result(merged(ks, table(window), shards=7), CTX) == verdict
    for j, feature in enumerate(verdict.features[:4]):
        present = window[~np.isnan(window[:, j]), j]
        expected = stats.ks_2samp(reference[:, j], present, method="asymp")
        assert feature.statistic == pytest.approx(expected.statistic, rel=1e-12)
        assert feature.p_value == pytest.approx(expected.pvalue, rel=1e-3, abs=5e-6)


def test_state_is_bounded_and_grows_no_more_than_the_reference():
    rng = np.random.default_rng(1)
    ks = KS().fit(one(rng.normal(size=500)))
    state = ks.create()
    for _ in range(200):
        state = ks.add(state, one(rng.normal(size=300)))
    assert len(encode(state)) < 2 * (2 * 500 + 1) + 4 * 500 + 500
    few = ks.create()
    for value in rng.normal(size=100):
        few = ks.add(few, one([value]))
        assert len(few["chunks"]) <= 33
    assert len(encode(few)) < 2000


def test_a_long_reference_is_thinned_to_its_quantiles():
    rng = np.random.default_rng(2)
    reference, window = rng.normal(size=50_000), rng.normal(0.1, 1, size=3000)
    feature = KS(max_reference=2000).fit(one(reference)).test(one(window)).features[0]
    assert feature.n_reference == 50_000
    exact = stats.ks_2samp(reference, window).statistic
    assert abs(feature.statistic - exact) <= 1 / 2000
    assert len(thin(np.arange(10.0), 20)) == 10
    assert thin(np.arange(10.0), 5).tolist() == [1.0, 3.0, 5.0, 7.0, 9.0]


def test_missingness_is_a_channel_of_its_own():
    rng = np.random.default_rng(3)
    ks = KS().fit(one(rng.normal(size=2000)))
    window = rng.normal(size=1000)
    window[:100] = np.nan
    verdict = ks.test(one(window))
    assert verdict.drifted is True
    by_name = {f.feature: f for f in verdict.features}
    assert by_name["x"].drifted is False
    assert by_name["x"].n == 900
    missing = by_name["x:missing"]
    assert missing.drifted is True
    assert missing.effect == pytest.approx(0.1)
    expected = stats.fisher_exact([[0, 2000], [100, 900]]).pvalue
    assert missing.p_value == pytest.approx(expected, rel=1e-9)


@FAST
@given(a=st.integers(0, 40), n=st.integers(40, 200), b=st.integers(0, 40), m=st.integers(40, 200))
def test_missing_p_value_is_fishers(a, n, b, m):
    values = np.where(np.arange(n) < a, np.nan, 0.0), np.where(np.arange(m) < b, np.nan, 0.0)
    verdict = KS(min_rows=1).fit(one(values[0])).test(one(values[1]))
    tests = [f for f in verdict.features if f.test == "missing"]
    if a + b == 0:
        assert tests == []
        return
    expected = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert tests[0].p_value == pytest.approx(expected, rel=1e-6)


def test_missing_shares_of_huge_windows_use_the_chi_square_law():
    from vedette.components.drift._missing import missing_p_value

    table_ = [[12_000, 88_000], [12_500, 87_500]]
    expected = stats.chi2_contingency(table_, correction=False).pvalue
    assert missing_p_value(12_000, 100_000, 12_500, 100_000) == pytest.approx(expected, rel=1e-9)


def test_a_column_that_is_all_missing_drifts_by_missingness():
    rng = np.random.default_rng(4)
    ks = KS().fit(one(rng.normal(size=500)))
    verdict = ks.test(one(np.full(300, np.nan)))
    assert verdict.drifted is True
    assert [f.drifted for f in verdict.features] == [None, True]


def test_too_few_rows_is_not_a_decision():
    rng = np.random.default_rng(5)
    ks = KS().fit(one(rng.normal(size=500)))
    for window in (one([]), one(rng.normal(size=29) + 9)):
        verdict = ks.test(window)
        assert verdict.drifted is None
        assert verdict.p_value is None
        assert verdict.values["drifted"] is None
        assert verdict.status == "insufficient"
    assert ks.result(ks.create(), CTX).status == "insufficient"
    assert ks.test(one(rng.normal(size=30) + 9)).drifted is True
    assert KS().fit(one(rng.normal(size=10))).test(one(rng.normal(size=500))).drifted is None


@pytest.mark.parametrize("correction", ["bonferroni", "bh", "by", "none"])
def test_decision_follows_the_correction(correction):
    rng = np.random.default_rng(6)
    reference = rng.normal(size=(1000, 10))
    window = rng.normal(size=(400, 10))
    window[:, 0] += 0.4
    verdict = KS(correction=correction, alpha=0.05).fit(reference).test(window)
    p = np.array([f.p_value for f in verdict.features])
    adjusted = {
        "none": p,
        "bonferroni": np.minimum(1, p * 10),
        "bh": stats.false_discovery_control(p, method="bh"),
        "by": stats.false_discovery_control(p, method="by"),
    }[correction]
    assert verdict.correction == correction
    assert verdict.p_value == pytest.approx(adjusted.min())
    assert [f.drifted for f in verdict.features] == (adjusted <= 0.05).tolist()
    assert list(verdict.details["adjusted_p_value"].values()) == pytest.approx(adjusted.tolist())
    assert verdict.values["features_drifted"] == (adjusted <= 0.05).sum()
    assert verdict.drifted


def test_fitted_state_and_window_state_survive_bytes():
    rng = np.random.default_rng(7)
    ks = KS().fit(rng.normal(size=(300, 3)))
    window = table(rng.normal(0.2, 1, size=(200, 3)))
    again = KS().from_state(decode(encode(ks.to_state())))
    state = decode(encode(again.add(again.create(), window)))
    assert again.result(state, CTX) == ks.test(window)


def test_errors_name_the_column():
    ks = KS().fit(Batch({"x": numeric([1.0, 2.0]), "c": category(["a", "b"])}))
    assert ks.columns_ == ["x"]
    with pytest.raises(ValueError, match="column 'x' of the reference is not in the batch"):
        ks.add(ks.create(), Batch({"y": numeric([1.0])}))
    with pytest.raises(ValueError, match="column 'x' is category; allowed: numeric"):
        ks.add(ks.create(), Batch({"x": category(["a"])}))
    with pytest.raises(ValueError, match="column 'z' is not in the batch"):
        KS(columns=["z"]).fit(one([1.0]))
    with pytest.raises(NotFittedError):
        KS().test(one([1.0]))


@pytest.mark.parametrize(
    ("option", "value"), [("alpha", 0.0), ("alpha", 1.0), ("correction", "holm"), ("min_rows", 0), ("max_reference", 1)]
)
def test_options_are_checked(option, value):
    with pytest.raises(ValueError, match=option):
        KS(**{option: value})


def false_alarms(rounds: int, alpha: float, correction: str, seed: int) -> np.ndarray:
    """Decisions on windows from the reference's own distribution: 300 reference rows, 150 rows, 10 columns."""
    rng = np.random.default_rng(seed)
    out = np.empty(rounds, dtype=bool)
    for i in range(rounds):
        ks = KS(alpha=alpha, correction=correction).fit(rng.normal(size=(300, 10)))
        out[i] = ks.test(rng.normal(size=(150, 10))).drifted
    return out


def check_rate(alarms: np.ndarray, alpha: float) -> None:
    error = np.sqrt(alpha * (1 - alpha) / len(alarms))
    assert abs(alarms.mean() - alpha) <= 2 * error


@pytest.mark.parametrize("correction", ["bh", "bonferroni"])
def test_false_alarms_small(correction):
    check_rate(false_alarms(300, 0.05, correction, seed=11), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("correction", ["bh", "bonferroni"])
def test_false_alarms(correction):
    check_rate(false_alarms(4000, 0.05, correction, seed=12), 0.05)


def test_false_alarms_with_missing_values_stay_below_alpha():
    rng = np.random.default_rng(13)
    alarms = 0
    for _ in range(200):
        reference, window = rng.normal(size=(400, 5)), rng.normal(size=(200, 5))
        reference[rng.random(reference.shape) < 0.05] = np.nan
        window[rng.random(window.shape) < 0.05] = np.nan
        alarms += bool(KS(alpha=0.05).fit(reference).test(window).drifted)
    assert alarms / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def power(rounds: int, seed: int) -> float:
    """Mean +.3 in 3 of 10 columns, 300 reference rows, 150 rows, alpha .05: the literature's bar is .80."""
    rng = np.random.default_rng(seed)
    shift = np.r_[0.3, 0.3, 0.3, np.zeros(7)]
    hits = 0
    for _ in range(rounds):
        ks = KS(alpha=0.05).fit(rng.normal(size=(300, 10)))
        hits += bool(ks.test(rng.normal(size=(150, 10)) + shift).drifted)
    return hits / rounds


def test_power_on_a_shift_of_a_third_of_a_deviation():
    assert power(200, seed=14) >= 0.80 - 2 * np.sqrt(0.8 * 0.2 / 200)


def test_power_on_a_large_window():
    rng = np.random.default_rng(15)
    ks = KS().fit(rng.normal(size=(10_000, 5)))
    window = rng.normal(size=(5000, 5))
    window[:, 2] += 0.08
    verdict = ks.test(window)
    assert [f.feature for f in verdict.features if f.drifted] == ["x2"]
