"""Conformal Shiryaev-Roberts: the formula by a slow loop, its guarantee, its power, its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.polynomial import legendre

from vedette.components.change.betting import BETS, LAMBDAS, bets, fold_rows
from vedette.components.change.binning import Binning, frequent_categories, quantile_edges
from vedette.components.change.conformal import Conformal, rows_between_false_alarms
from vedette_specs import Batch, Folded, NotFittedError, Schema, Tick, category, numeric
from vedette_specs.codec import decode, encode


def slow_fold(counts, evidence, bins, uniforms, threshold):
    """METHODS' formula, one row, one feature, one bet at a time."""
    counts = [list(map(int, row)) for row in counts]
    evidence = [list(map(float, row)) for row in evidence]
    for t in range(bins.shape[1]):
        for j in range(len(bins)):
            b, n = int(bins[j, t]), sum(counts[j])
            p = (sum(counts[j][b + 1 :]) + uniforms[j, t] * (counts[j][b] + 1)) / (n + 1)
            counts[j][b] += 1
            k = 0
            for degree in (1, 2, 3):
                value = legendre.legval(2 * p - 1, [0] * degree + [1])
                for lam in (0.25, 0.5, 0.9, -0.25, -0.5, -0.9):
                    evidence[j][k] = (evidence[j][k] + 1) * (1 + lam * value)
                    k += 1
        means = [sum(row) / len(row) for row in evidence]
        if max(means) >= threshold:
            return counts, evidence, t + 1, means.index(max(means))
    return counts, evidence, bins.shape[1], None


@pytest.mark.parametrize(("rows", "shift", "threshold"), [(100, 0, math.inf), (31, 0, 1e9), (150, 3, 60.0)])
def test_vectorised_fold_is_the_formula(rows, shift, threshold):
    rng = np.random.default_rng(3)
    d, width = 3, 9
    counts = rng.integers(0, 30, (d, 1)).repeat(width, axis=1)
    counts[:] = counts[0]  # every feature has the same number of reference rows
    bins = np.minimum(rng.integers(0, width, (d, rows)) + shift, width - 1)
    uniforms = rng.random((d, rows))
    evidence = rng.random((d, BETS)) * 5
    slow = slow_fold(counts, evidence, bins, uniforms, threshold)
    fast = fold_rows(counts, evidence, bins, uniforms, threshold)
    assert fast.alarm == slow[3]
    assert fast.rows == slow[2]
    np.testing.assert_array_equal(fast.counts, slow[0])
    np.testing.assert_allclose(fast.evidence, slow[1], rtol=1e-11)
    assert (fast.alarm is not None) == (shift > 0)


def test_literal_first_step():
    """Two bins with 3 and 1 rows, a row in the upper one, U = 1/2: p = (0 + 1/2 * 2) / 5 = 0.2."""
    run = fold_rows(np.array([[3, 1]]), np.zeros((1, BETS)), np.array([[1]]), np.array([[0.5]]), math.inf)
    x = -0.6
    expected = [1 + lam * value for value in (x, 1.5 * x * x - 0.5, 2.5 * x**3 - 1.5 * x) for lam in LAMBDAS]
    np.testing.assert_allclose(run.evidence[0], expected, rtol=1e-14)
    np.testing.assert_array_equal(run.counts, [[3, 2]])


def test_bets_have_mean_one_and_stay_positive():
    nodes, weights = legendre.leggauss(8)
    factors = bets((nodes + 1) / 2)
    np.testing.assert_allclose(weights @ factors / 2, 1.0, atol=1e-14)
    assert bets(np.array([0.0, 1.0])).min() >= 0.1 - 1e-12


def test_fold_of_two_halves_is_the_fold_of_the_whole():
    rng = np.random.default_rng(0)
    counts, bins, uniforms = np.full((4, 16), 20), rng.integers(0, 16, (4, 300)), rng.random((4, 300))
    whole = fold_rows(counts, np.zeros((4, BETS)), bins, uniforms, math.inf)
    first = fold_rows(counts, np.zeros((4, BETS)), bins[:, :117], uniforms[:, :117], math.inf)
    both = fold_rows(first.counts, first.evidence, bins[:, 117:], uniforms[:, 117:], math.inf)
    np.testing.assert_allclose(both.evidence, whole.evidence, rtol=1e-12)
    np.testing.assert_array_equal(both.counts, whole.counts)


def test_p_values_of_the_null_are_uniform_even_in_few_bins():
    """The first bet of degree one has expectation one at every row: E[R_t] = t."""
    rng = np.random.default_rng(5)
    final = []
    for _ in range(400):
        rows = rng.integers(0, 3, 60)
        counts = np.bincount(rows[:30], minlength=3)[None]
        run = fold_rows(counts, np.zeros((1, BETS)), rows[None, 30:], rng.random((1, 30)), math.inf)
        final.append(run.evidence[0, 0])
    assert abs(np.mean(final) - 30) < 3 * np.std(final) / math.sqrt(len(final))


# --- bins -----------------------------------------------------------------------------------------------------------


def mixed(n: int, rng: np.random.Generator, shift: float = 0.0) -> Batch:
    x = rng.normal(shift, 1, n)
    x[rng.random(n) < 0.05] = np.nan
    return Batch({"x": numeric(x), "colour": category(rng.choice(["red", "blue", "green"], n, p=[0.6, 0.3, 0.1]))})


def test_every_value_has_a_bin_of_its_own_kind():
    binning = Binning(["x", "c"], {"x": np.array([0.0, 1.0])}, {"c": ["red", "blue"]})
    batch = Batch(
        {
            "x": numeric([-np.inf, 0.0, 0.5, 1.0, np.inf, np.nan]),
            "c": category(["red", "blue", "unseen", None, "red", "also unseen"]),
        }
    )
    np.testing.assert_array_equal(binning.bins(batch)[:, 0], [0, 0, 1, 1, 2, 3])
    np.testing.assert_array_equal(binning.bins(batch)[:, 1], [0, 1, 2, 3, 0, 2])
    assert binning.counts(batch).sum() == 12


def test_categories_do_not_depend_on_their_codes():
    binning = Binning(["c"], {}, {"c": ["red", "blue"]})
    left, right = (
        category(["red", "blue"], categories=["red", "blue"]),
        category(["red", "blue"], categories=["blue", "red"]),
    )
    np.testing.assert_array_equal(binning.bins(Batch({"c": left})), binning.bins(Batch({"c": right})))


def test_edges_are_distinct_and_few():
    edges = quantile_edges(np.array([0.0] * 90 + [1.0] * 9 + [np.nan]), 256)
    np.testing.assert_array_equal(edges, [0.0, 1.0])
    assert len(quantile_edges(np.random.default_rng(0).normal(size=10_000), 255)) == 254
    assert len(quantile_edges(np.array([np.nan]), 8)) == 0
    assert frequent_categories(category(["b", "a", "c", "a", "c"]), 2) == ["a", "c"]


def test_bins_come_from_rows_that_are_not_counted():
    reference = {"c": [f"only {i}" for i in range(90)]}
    detector = Conformal(bins=200).fit(reference)
    assert len(detector.categories_["c"]) == 30
    assert detector.reference_rows_ == 60
    unseen = detector.reference_counts_[len(detector.categories_["c"])]
    assert unseen == 60


def test_at_most_as_many_bins_as_asked_for():
    rng = np.random.default_rng(0)
    detector = Conformal(bins=16).fit({"x": rng.normal(size=5000), "c": [str(i) for i in rng.integers(0, 99, 5000)]})
    assert detector.reference_counts_.shape == (2 * 16,)


# --- the state ------------------------------------------------------------------------------------------------------


def same(left, right) -> bool:
    return left["n"] == right["n"] and all(np.array_equal(left[k], right[k]) for k in ("cells", "counts"))


def test_merge_laws_and_batching():
    rng = np.random.default_rng(1)
    detector = Conformal().fit(mixed(1000, rng))
    rows = mixed(300, rng)
    whole = detector.add(detector.create(), rows)
    parts = [detector.add(detector.create(), rows.take(slice(a, b))) for a, b in ((0, 7), (7, 7), (7, 120), (120, 300))]
    a, b, c, d = parts
    assert same(detector.merge(detector.merge(a, b), detector.merge(c, d)), whole)
    assert same(detector.merge(d, detector.merge(c, detector.merge(b, a))), whole)
    assert same(detector.merge(whole, detector.create()), whole)
    stepwise = detector.create()
    for part in (slice(0, 50), slice(50, 300)):
        stepwise = detector.add(stepwise, rows.take(part))
    assert same(stepwise, whole)
    assert same(decode(encode(whole)), whole)
    assert whole["counts"].sum() == 600


def test_fold_changes_nothing_it_was_given():
    rng = np.random.default_rng(1)
    detector = Conformal().fit(mixed(1000, rng))
    state = decode(encode(detector.add(detector.create(), mixed(300, rng))))
    memory = decode(encode(detector.start()))  # read-only arrays
    first = detector.fold(memory, state, Tick(0, 1, seed=4))
    again = detector.fold(memory, state, Tick(0, 1, seed=4))
    np.testing.assert_array_equal(first.memory["log_evidence"], again.memory["log_evidence"])
    other = detector.fold(memory, state, Tick(0, 1, seed=5))
    assert not np.array_equal(first.memory["log_evidence"], other.memory["log_evidence"])


def test_memory_counts_reference_and_stream():
    rng = np.random.default_rng(1)
    detector = Conformal().fit(mixed(999, rng))
    memory = detector.start()
    assert memory["counts"].sum() == 2 * 666
    for i in range(3):
        folded = detector.fold(memory, detector.add(detector.create(), mixed(100, rng)), Tick(i, i + 1, seed=i))
        memory = folded.memory
    assert memory["counts"].sum() == 2 * 966
    assert memory["rows_folded"] == memory["rows_seen"] == 300
    assert folded.result.n == 100


def test_an_empty_tick_changes_nothing():
    detector = Conformal().fit(mixed(999, np.random.default_rng(1)))
    folded = detector.fold(detector.start(), detector.create(), Tick(0, 1))
    assert folded.result.values["alarm"] == 0.0
    assert folded.result.values["log_evidence"] == {"x": None, "colour": None}
    np.testing.assert_array_equal(folded.memory["counts"], detector.start()["counts"])


def test_a_large_tick_is_sampled():
    rng = np.random.default_rng(1)
    detector = Conformal(max_rows_per_tick=100).fit(mixed(999, rng))
    folded = detector.fold(detector.start(), detector.add(detector.create(), mixed(5000, rng)), Tick(0, 1, seed=1))
    assert folded.result.n == 100
    assert folded.memory["rows_folded"] == 100
    assert folded.memory["rows_seen"] == folded.result.details["rows_in_tick"] == 5000
    assert folded.memory["counts"].sum() == 2 * 766


# --- what it says ---------------------------------------------------------------------------------------------------


def stream(detector: Conformal, batches, seed: int = 0) -> list[Folded]:
    memory, folded = detector.start(), []
    for i, batch in enumerate(batches):
        folded.append(detector.fold(memory, detector.add(detector.create(), batch), Tick(i, i + 1, seed=seed + i)))
        memory = detector.start() if folded[-1].result.values["alarm"] else folded[-1].memory
    return folded


def test_alarm_names_feature_and_row_and_detection_starts_again():
    rng = np.random.default_rng(2)
    detector = Conformal().fit(rng.normal(size=(3000, 3)))
    shifted = [detector.rows(rng.normal([0, 2, 0], size=(200, 3))) for _ in range(2)]
    folded = stream(detector, shifted)
    for one in folded:
        assert one.result.values["alarm"] == 1.0
        assert one.result.details["feature"] == "x1"
        assert 5 <= one.result.details["row_of_alarm"] == one.result.n <= 60
        assert one.result.details["rows_seen"] == 200
        assert one.result.values["log_evidence"]["x1"] >= one.result.values["threshold"] == math.log(3e5)
        assert one.scores["log_evidence"] == pytest.approx(one.result.values["log_evidence"]["x1"])
        assert one.result.to_json()["values"]["alarm"] == 1.0


@pytest.mark.parametrize(
    "rows",
    [
        {"x": np.full(300, np.nan), "c": ["a", "b"] * 150},
        {"x": np.zeros(300), "c": ["never seen"] * 300},
        {"x": np.zeros(300), "c": [None] * 300},
        {"x": np.full(300, np.inf), "c": ["a", "b"] * 150},
    ],
)
def test_missing_unseen_and_infinite_values_are_changes(rows):
    detector = Conformal().fit({"x": np.random.default_rng(0).normal(size=1500), "c": ["a", "b", "c"] * 500})
    (folded,) = stream(detector, [detector.rows({"x": rows["x"], "c": category(rows["c"])})])
    assert folded.result.values["alarm"] == 1.0


def test_a_score_column_and_predictions():
    rng = np.random.default_rng(0)
    score = Conformal(columns=["score"]).fit({"score": rng.exponential(size=2000), "other": rng.normal(size=2000)})
    (folded,) = stream(score, [Batch({"score": numeric(rng.exponential(2.0, size=500))})])
    assert folded.result.details["feature"] == "score"
    classes = Conformal().fit(Batch({"prediction": category(rng.choice(["no", "yes"], 2000, p=[0.8, 0.2]))}))
    (folded,) = stream(classes, [Batch({"prediction": category(rng.choice(["no", "yes"], 500, p=[0.4, 0.6]))})])
    assert folded.result.details["feature"] == "prediction"


def test_result_for_people():
    detector = Conformal().fit(np.random.default_rng(0).normal(size=(900, 2)))
    result = detector.compute(np.random.default_rng(1).normal(size=(200, 2)), detector.schema)
    assert result.values["alarm"] == 0.0


def test_state_of_a_fitted_detector_round_trips():
    rng = np.random.default_rng(0)
    detector = Conformal().fit(mixed(900, rng))
    other = Conformal().bind(detector.schema).from_state(decode(encode(detector.to_state())))
    rows = mixed(50, rng)
    assert same(other.add(other.create(), rows), detector.add(detector.create(), rows))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [("1 per 100000 rows", 1e5), ("2 per 1_000 rows", 500.0), (" 0.5 PER 100 row", 200.0), (500, 500.0), (1e4, 1e4)],
)
def test_rates(rate, expected):
    assert rows_between_false_alarms(rate) == expected


@pytest.mark.parametrize("rate", ["often", "0 per 100 rows", "1 per day", -3, math.inf, math.nan, "5 per 2 rows"])
def test_wrong_rates(rate):
    with pytest.raises(ValueError, match="false_alarms"):
        Conformal(false_alarms=rate)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"columns: \['nope'\].*allowed: \['x', 'colour'\]"):
        Conformal(columns=["nope"]).fit(mixed(100, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="numeric or category"):
        Conformal().fit({"words": ["so many words that it has to be a text and nothing else at all"] * 9})
    with pytest.raises(ValueError, match="bins: 2"):
        Conformal(bins=2)
    with pytest.raises(ValueError, match="max_rows_per_tick"):
        Conformal(max_rows_per_tick=0)
    with pytest.raises(ValueError, match="too few"):
        Conformal().fit(np.zeros((3, 1)))
    with pytest.raises(NotFittedError):
        Conformal().start()
    detector = Conformal().fit({"x": np.arange(50.0)}, Schema(features={"x": "numeric"}))
    with pytest.raises(ValueError, match="'x' is category"):
        detector.add(detector.create(), Batch({"x": category(["a"])}))


# --- the promise ----------------------------------------------------------------------------------------------------


def run_length(
    seed: int, *, mean_rows: float, d: int, limit: int, reference: int = 3000, shift: float = 0.0, scale: float = 1.0
) -> int:
    """Rows until the first alarm (`limit` when none); the first feature is shifted and scaled."""
    rng = np.random.default_rng(seed)
    detector = Conformal(false_alarms=mean_rows, random_state=seed).fit(rng.normal(size=(reference, d)))
    memory, n = detector.start(), 0
    for i in range(-(-limit // 200)):
        x = rng.normal(size=(200, d))
        x[:, 0] = x[:, 0] * scale + shift
        state = detector.add(detector.create(), detector.rows(x))
        folded = detector.fold(memory, state, Tick(i, i + 1, seed=seed))
        n += folded.result.n
        if folded.result.values["alarm"]:
            return n
        memory = folded.memory
    return limit


def average_run_length(runs: int) -> tuple[float, float]:
    lengths = [run_length(seed, mean_rows=500, d=1, limit=20_000) for seed in range(runs)]
    return float(np.mean(lengths)), float(np.std(lengths) / math.sqrt(runs))


def test_average_run_length_is_at_least_promised():
    mean, error = average_run_length(150)
    assert mean + 2 * error >= 500
    assert mean - 3 * error <= 700  # and not by being blind


@pytest.mark.slow
def test_average_run_length_in_a_long_simulation():
    mean, error = average_run_length(1500)
    assert mean + 2 * error >= 500
    assert mean == pytest.approx(550, abs=60)


@pytest.mark.parametrize(("runs", "d"), [(80, 4), pytest.param(1000, 4, marks=pytest.mark.slow)])
def test_alarms_within_n_rows_are_at_most_n_over_a(runs, d):
    n, mean_rows = 200, 1000
    early = np.mean([run_length(seed, mean_rows=mean_rows, d=d, limit=n) < n for seed in range(runs)])
    bound = n / mean_rows
    assert early <= bound + 2 * math.sqrt(bound * (1 - bound) / runs)


@pytest.mark.parametrize(
    ("shift", "scale", "most"), [(1.0, 1.0, 60), (0.5, 1.0, 150), (0.25, 1.0, 500), (0.0, 1.5, 200)]
)
def test_median_delay(shift, scale, most):
    """Measured medians at A = 100 000 with ten features: 42, 112, 362 and 150 rows."""
    how = {"mean_rows": 1e5, "d": 10, "limit": 3000, "reference": 10_000, "shift": shift, "scale": scale}
    delays = [run_length(seed, **how) for seed in range(25)]
    assert np.median(delays) <= most


def test_copula_changes_are_out_of_its_sight_by_design():
    """It watches every feature by itself: a change of correlation alone stays within the false-alarm budget."""
    rng = np.random.default_rng(8)
    detector = Conformal().fit(rng.normal(size=(3000, 2)))
    x = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=1000)
    (folded,) = stream(detector, [detector.rows(x)])
    assert folded.result.values["alarm"] == 0.0
