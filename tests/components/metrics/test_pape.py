"""pape: its sample, classifier and weights against scikit-learn, and that it beats cbpe where inputs have shifted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tests.components.metrics.populations import SCHEMA, inputs_shifted, three_classes

import vedette
from vedette.components.metrics._calibration import platt_map
from vedette.components.metrics._domain import compare, effective_rows, weighted_area
from vedette.components.metrics._row_sample import row_keys
from vedette.testing.lab import difference
from vedette_specs import ResultContext, category, concat, numeric

CTX = ResultContext()
NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc"]


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


def with_ids(batch, start=0):
    ids = np.empty(len(batch), dtype=object)
    ids[:] = [f"r-{i}" for i in range(start, start + len(batch))]
    return batch.replace(ids=ids, rows=np.zeros(len(batch), dtype=np.int32))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("three", [False, True])
def test_shards_say_what_one_pass_says(seed, three, merged):
    rng = np.random.default_rng(seed)
    draw = three_classes if three else inputs_shifted
    part = vedette.make("pape", estimate=NAMES, sample=200, min_effective=20).fit(draw(rng, 400))
    window = with_ids(draw(rng, 450) if three else inputs_shifted(rng, 450, 0.8))
    state = merged(part, window, seed)
    whole, split = result_of(part, window), part.result(state, CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-9) is None
    assert len(state["sample"]["keys"]) == 200
    assert three or whole.details["weighted"]


def test_the_sample_is_the_least_keys_of_all_rows():
    rng = np.random.default_rng(4)
    part = vedette.make("pape", sample=300).fit(inputs_shifted(rng, 400))
    batches = [with_ids(inputs_shifted(rng, 500), 500 * i) for i in range(4)]
    state = part.create()
    for batch in batches:
        state = part.add(state, batch)
    whole = concat(batches)
    keys = row_keys(whole, whole.probabilities)
    order = np.argsort(keys)[:300]
    assert state["sample"]["keys"].tolist() == keys[order].tolist()
    assert state["sample"]["p"].tolist() == whole.probabilities[order].tolist()
    drawn = np.bincount(order // 500, minlength=4)
    assert drawn.min() > 45  # of 75 expected from each: no batch is left out


def test_equal_rows_have_keys_of_their_own_by_their_ids():
    batch = inputs_shifted(np.random.default_rng(5), 1).repeat(1000)
    assert len(np.unique(row_keys(batch, batch.probabilities))) == 1
    assert len(np.unique(row_keys(with_ids(batch), batch.probabilities))) == 1000
    rows = batch.replace(ids=with_ids(batch).ids[:1].repeat(1000), rows=np.arange(1000, dtype=np.int32))
    assert len(np.unique(row_keys(rows, batch.probabilities))) == 1000


def test_the_weighted_area_is_scikit_learns():
    rng = np.random.default_rng(6)
    own, new, weights = rng.integers(0, 9, 60).astype(float), rng.integers(2, 11, 40).astype(float), rng.random(60)
    truth = np.repeat([0, 1], [60, 40])
    wanted = roc_auc_score(truth, np.concatenate([own, new]), sample_weight=np.concatenate([weights, np.ones(40)]))
    assert weighted_area(own, weights, new) == pytest.approx(wanted, abs=1e-12)


def test_the_map_is_a_weighted_logistic_regression():
    rng = np.random.default_rng(7)
    scores, weights = rng.normal(size=3000), rng.random(3000) * 2.0
    hits = (rng.random(3000) < 1 / (1 + np.exp(-(0.5 * scores + 0.7)))).astype(float)
    plain = LogisticRegression(C=np.inf, tol=1e-10).fit(scores[:, None], hits, sample_weight=weights)
    wanted = [plain.coef_[0, 0], plain.intercept_[0]]
    assert platt_map(scores, hits, weights) == pytest.approx(wanted, abs=4e-3)  # it is shrunk by the weight of one row
    certain = platt_map(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4))
    assert np.isfinite(certain).all()
    assert platt_map(np.zeros(0), np.zeros(0), np.zeros(0)).tolist() == [1.0, 0.0]


def test_weights_are_the_ratio_of_densities():
    rng = np.random.default_rng(8)
    x, z = rng.normal(size=4000), rng.normal(0.5, 1.0, 2000)
    found = compare(np.column_stack([x, x**2]), np.column_stack([z, z**2]))
    ratio = np.exp(0.5 * x - 0.125)
    assert found.weights.mean() == pytest.approx(1.0)
    assert np.corrcoef(np.log(found.weights), np.log(ratio))[0, 1] > 0.99
    assert found.effective == pytest.approx(effective_rows(ratio), rel=0.1)
    assert found.auc == pytest.approx(0.638, abs=0.025)  # Phi(0.5 / sqrt(2))
    assert found.p_value < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("features", [2, 12])
def test_a_shift_that_is_none_is_seen_no_more_often_than_alpha(features):
    """Its standard error is that of areas over cross-fitted folds, which hang together: without it, 12 % would be."""
    rng = np.random.default_rng(9)
    found = [compare(rng.normal(size=(600, features)), rng.normal(size=(300, features))) for _ in range(300)]
    z = np.array([(domains.auc - 0.5) / domains.standard_error for domains in found])
    assert z.std() == pytest.approx(1.0, abs=0.12)
    assert np.mean([domains.p_value < 0.05 for domains in found]) <= 0.05 + 2.0 * np.sqrt(0.05 * 0.95 / 300)


def test_a_weighted_reference_is_compared_as_if_it_were_another():
    rng = np.random.default_rng(10)
    y = rng.random(4000) < 0.2
    x = rng.normal(size=(4000, 2)) + y[:, None]
    other = rng.random(1500) < 0.6
    z = rng.normal(size=(1500, 2)) + other[:, None]
    assert compare(x, z).p_value < 1e-6
    assert compare(x, z, np.where(y, 0.6 / 0.2, 0.4 / 0.8)).p_value > 0.05


def test_it_says_why_it_does_not_weight():
    rng = np.random.default_rng(11)
    part = vedette.make("pape").fit(inputs_shifted(rng, 3000))
    plain = vedette.make("cbpe").fit(inputs_shifted(np.random.default_rng(11), 3000))
    few = result_of(part, inputs_shifted(rng, 50))
    assert (few.details["weighted"], few.details["why"]) == (
        False,
        "fewer than 100 rows in the sample or the reference",
    )
    assert few.details["shift"] is None
    window = inputs_shifted(rng, 800)
    none = result_of(part, window)
    assert none.details["why"] == "no shift of the inputs is seen"
    assert none.values == result_of(plain, window).values
    far = result_of(part, inputs_shifted(rng, 800, 4.0))
    assert far.details["why"].startswith("too few rows of the reference are like the window's: worth ")
    assert far.details["shift"]["p_value"] < 0.05
    near = result_of(part, inputs_shifted(rng, 800, 0.6))
    assert (near.details["weighted"], near.details["why"]) == (True, "the inputs have shifted")
    assert near.details["effective_rows"] >= 300


def test_categories_and_missing_values_are_seen():
    rng = np.random.default_rng(12)

    def rows(n, shares, gone):
        batch = inputs_shifted(rng, n)
        x = np.where(rng.random(n) < gone, np.nan, batch.inputs["x0"].values)
        return batch.with_inputs(x0=numeric(x), city=category(rng.choice(["a", "b", "c"], n, p=shares)))

    reference = rows(2000, [0.6, 0.3, 0.1], 0.05)
    part = vedette.make("pape").fit(reference)
    assert result_of(part, rows(1000, [0.6, 0.3, 0.1], 0.05)).details["shift"]["p_value"] > 0.01
    assert result_of(part, rows(1000, [0.3, 0.3, 0.4], 0.05)).details["shift"]["p_value"] < 1e-6
    assert result_of(part, rows(1000, [0.6, 0.3, 0.1], 0.4)).details["shift"]["p_value"] < 1e-6
    blind = vedette.make("pape", columns=["x1"]).fit(reference)
    assert result_of(blind, rows(1000, [0.3, 0.3, 0.4], 0.05)).details["shift"]["p_value"] > 0.01


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"alpha": 0.0}, "alpha is 0.0; allowed: a number between 0 and 1"),
        ({"min_effective": 0}, "min_effective is 0"),
        ({"reference_rows": 10}, "reference_rows is 10"),
        ({"sample": 10}, "sample is 10; allowed: 200 to 100000 rows"),
        ({"bins": 1}, "bins is 1; allowed: 2 or more"),
    ],
)
def test_options_that_cannot_be_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        vedette.make("pape", **options)


def errors_of(rng, windows, reference_rows, shift):
    """use -> (windows, estimates) errors under a shift of an input that the model does not see."""
    reference = inputs_shifted(rng, reference_rows)
    parts = {use: vedette.make(use, estimate=NAMES).fit(reference) for use in ("cbpe", "pape")}
    realised = {name: vedette.make(name).bind(SCHEMA) for name in NAMES}
    off = {use: np.zeros((windows, 5)) for use in parts}
    for i in range(windows):
        window = inputs_shifted(rng, 1500, shift)
        truth = np.array([metric.compute(window).values[name] for name, metric in realised.items()])
        for use, part in parts.items():
            values = result_of(part, window).values
            off[use][i] = np.array([values[name] for name in NAMES]) - truth
    return off


def test_under_covariate_shift_it_beats_cbpe():
    off = errors_of(np.random.default_rng(13), 6, 10_000, 0.7)
    mean = {use: np.abs(values).mean(axis=0) for use, values in off.items()}
    assert (mean["pape"] <= mean["cbpe"] + 0.005).all(), mean
    assert mean["cbpe"][1] > 0.08 > 0.03 > mean["pape"][1], mean  # precision: the shift makes "yes" commoner


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-0.8, -0.4, 0.4, 0.8])
def test_under_covariate_shift_it_beats_cbpe_whatever_the_reference(shift):
    rng = np.random.default_rng(14)
    off = [errors_of(rng, 4, 6000, shift) for _ in range(10)]
    mean = {use: np.abs(np.concatenate([part[use] for part in off])).mean(axis=0) for use in ("cbpe", "pape")}
    assert (mean["pape"] <= mean["cbpe"] + 0.003).all(), mean
    assert mean["pape"].mean() < 0.6 * mean["cbpe"].mean(), mean
