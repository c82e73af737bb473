"""chi2: statistic against scipy, rare and unseen categories, error rate and power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.components.drift.chi2 import Chi2, chi_square, pool
from vedette_specs import Batch, Column, ResultContext, category, numeric, text
from vedette_specs.codec import decode, encode

CTX = ResultContext()
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROWS = st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=200)


def one(values) -> Batch:
    return Batch({"c": category(values)})


def draw(rng: np.random.Generator, n: int, shares) -> Batch:
    names = tuple(f"k{i}" for i in range(len(shares)))
    codes = rng.choice(len(shares), size=n, p=np.array(shares) / np.sum(shares)).astype(np.int32)
    return Batch({"c": Column("category", codes, names)})


def test_statistic_and_p_value_are_scipys():
    reference, window = [40, 30, 20, 10], [20, 30, 25, 25]
    names = "abcd"
    verdict = (
        Chi2()
        .fit(one([c for c, k in zip(names, reference, strict=True) for _ in range(k)]))
        .test(one([c for c, k in zip(names, window, strict=True) for _ in range(k)]))
    )
    expected = stats.chi2_contingency([reference, window], correction=False)
    feature = verdict.features[0]
    assert feature.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert feature.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert feature.effect == pytest.approx(0.2)
    assert (feature.n_reference, feature.n) == (100, 100)


@FAST
@given(reference=ROWS, window=ROWS, seed=st.integers(0, 1000))
def test_merged_equals_one_pass(reference, window, seed, merged):
    chi2 = Chi2(min_rows=1).fit(one(reference))
    verdict = chi2.test(one(window))
    assert chi2.result(merged(chi2, one(window), seed), CTX) == verdict
    for feature in verdict.features:
        assert feature.p_value is None or 0.0 <= feature.p_value <= 1.0


@FAST
@given(
    counts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=12),
    rest=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_pooling_keeps_all_rows_and_no_empty_cell(counts, rest):
    reference, window = [a for a, _ in counts] + [rest[0]], [b for _, b in counts] + [rest[1]]
    n, m = sum(reference), sum(window)
    if not (n and m):
        return
    cells = pool(reference, window)
    assert (sum(a for a, _ in cells), sum(b for _, b in cells)) == (n, m)
    expected = [(a + b) * min(n, m) / (n + m) for a, b in cells]
    assert len(cells) == 1 or min(expected) >= 1.0
    if len(cells) > 1:
        assert sum(e < 5 for e in expected) <= 1
        theirs = stats.chi2_contingency(np.array(cells).T, correction=False)
        assert chi_square(cells) == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-12)


def test_unseen_categories_are_counted_named_and_found():
    rng = np.random.default_rng(0)
    chi2 = Chi2().fit(draw(rng, 2000, [5, 3, 2]))
    window = draw(rng, 500, [5, 3, 2]).inputs["c"].strings()
    window[:60] = "new"
    window[60:63] = "odd"
    verdict = chi2.test(one(window))
    assert verdict.drifted is True
    assert verdict.details["unseen"] == {"c": {"rows": 63, "categories": ["new", "odd"]}}


def test_many_rare_categories_are_not_drift():
    # every window has thousands of categories that the reference lacks: that is the column, not drift
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        reference, window = (one([f"u{i}" for i in rng.integers(0, 5000, n)]) for n in (3000, 500))
        verdict = Chi2(alpha=0.05).fit(reference).test(window)
        assert verdict.details["unseen"]["c"]["rows"] > 50
        alarms += bool(verdict.drifted)
    assert alarms <= 6


def test_state_is_bounded_whatever_comes():
    rng = np.random.default_rng(2)
    chi2 = Chi2().fit(draw(rng, 1000, [1, 1]))
    state = chi2.create()
    for i in range(20):
        state = chi2.add(state, one([f"{i}-{j}" for j in range(1000)]))
    assert len(encode(state)) < 5000
    verdict = chi2.result(state, CTX)
    assert verdict.drifted is True
    assert verdict.details["unseen"]["c"]["rows"] == 20_000


def test_a_reference_of_too_many_categories_keeps_the_commonest(merged):
    rng = np.random.default_rng(3)
    shares = 1.0 / np.arange(1, 301)
    chi2 = Chi2(max_categories=20).fit(draw(rng, 20_000, shares))
    assert len(chi2.categories_[0]) == 20
    same = draw(rng, 3000, shares)
    assert chi2.test(same).drifted is False
    assert chi2.result(merged(chi2, same), CTX) == chi2.test(same)
    assert chi2.test(draw(rng, 3000, shares[::-1])).drifted is True


def test_missing_values_are_a_channel_of_their_own():
    rng = np.random.default_rng(4)
    chi2 = Chi2().fit(draw(rng, 2000, [1, 1]))
    window = draw(rng, 400, [1, 1]).inputs["c"]
    codes = window.values.copy()
    codes[:40] = -1
    verdict = chi2.test(Batch({"c": Column("category", codes, window.categories)}))
    assert {f.feature: f.drifted for f in verdict.features} == {"c": False, "c:missing": True}
    assert verdict.features[1].p_value == pytest.approx(stats.fisher_exact([[0, 2000], [40, 360]]).pvalue, rel=1e-9)


def test_one_category_only_is_no_drift_and_its_loss_is():
    chi2 = Chi2().fit(one(["a"] * 300))
    same = chi2.test(one(["a"] * 100))
    assert same.drifted is False
    assert same.features[0].p_value == 1.0
    assert chi2.test(one(["b"] * 100)).drifted is True


def test_too_few_rows_is_not_a_decision():
    chi2 = Chi2().fit(one(["a", "b"] * 100))
    for window in (one([]), one(["b"] * 29), one([None] * 29)):
        assert chi2.test(window).drifted is None
    assert chi2.result(chi2.create(), CTX).status == "insufficient"


def test_numbers_and_text_in_a_window_are_compared_by_their_text():
    chi2 = Chi2().fit(one(["0", "1"] * 200))
    numbers = Batch({"c": numeric([0.0, 1.0] * 100)})
    words = Batch({"c": text(["0", "1"] * 100)})
    for window in (numbers, words):
        assert chi2.test(window).features[0].statistic == pytest.approx(0.0)


def test_fitted_state_survives_bytes():
    rng = np.random.default_rng(5)
    chi2 = Chi2().fit(draw(rng, 500, [1, 2, 3]))
    again = Chi2().from_state(decode(encode(chi2.to_state())))
    window = draw(rng, 200, [3, 2, 1])
    assert again.result(decode(encode(again.add(again.create(), window))), CTX) == chi2.test(window)


def test_errors_name_the_column_and_the_option():
    chi2 = Chi2().fit(one(["a"]))
    with pytest.raises(ValueError, match="column 'c' of the reference is not in the batch"):
        chi2.add(chi2.create(), Batch({"d": category(["a"])}))
    with pytest.raises(ValueError, match="max_categories is 0"):
        Chi2(max_categories=0)


def false_alarms(rounds: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shares = [0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.02, 0.01]
    out = [Chi2(alpha=0.05).fit(draw(rng, 800, shares)).test(draw(rng, 300, shares)).drifted for _ in range(rounds)]
    return np.array(out, dtype=bool)


def test_false_alarms_small():
    assert abs(false_alarms(400, seed=6).mean() - 0.05) <= 2 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.slow
def test_false_alarms():
    assert abs(false_alarms(5000, seed=7).mean() - 0.05) <= 2 * np.sqrt(0.05 * 0.95 / 5000)


def test_power_on_a_change_of_shares():
    rng = np.random.default_rng(8)
    hits = [Chi2(alpha=0.05).fit(draw(rng, 1000, [5, 3, 2])).test(draw(rng, 500, [4, 3, 3])).drifted for _ in range(60)]
    assert np.mean(hits) > 0.9
