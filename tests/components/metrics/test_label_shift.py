"""label_shift: Saerens' equations by a plain loop, and that it beats cbpe where only classes have shifted."""

from __future__ import annotations

import numpy as np
import pytest
from tests.components.metrics.populations import SCHEMA, classes_shifted, inputs_shifted, three_classes

import vedette
from vedette.components.metrics._priors import adjusted, prior_covariance, saerens
from vedette.testing.lab import difference
from vedette_specs import ResultContext

CTX = ResultContext()
NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc"]


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


def em_by_the_book(c, before, steps=3000):
    """Saerens et al., equations 2.7 and 2.8, a row and a class at a time."""
    prior = list(before)
    for _ in range(steps):
        sums = [0.0] * len(prior)
        for row in c:
            terms = [row[k] * prior[k] / before[k] for k in range(len(prior))]
            for k, term in enumerate(terms):
                sums[k] += term / sum(terms)
        prior = [value / len(c) for value in sums]
    return prior


def test_shares_are_those_of_the_equations():
    rng = np.random.default_rng(0)
    c = rng.dirichlet([1.0, 2.0, 0.5], 40)
    before = np.array([0.3, 0.5, 0.2])
    wanted = em_by_the_book(c, before, 400)
    assert saerens(c, np.ones(40), before) == pytest.approx(wanted, abs=1e-6)
    twice = saerens(np.repeat(c, 2, axis=0), np.ones(80), before)
    assert saerens(c, np.full(40, 2.0), before) == pytest.approx(twice, abs=1e-9)  # counts stand for rows


def test_a_reference_row_set_has_no_shift():
    c = np.random.default_rng(1).dirichlet([1.0, 1.0], 300)
    assert saerens(c, np.ones(300), c.mean(axis=0)) == pytest.approx(c.mean(axis=0), abs=1e-9)


def test_adjusting_is_bayes():
    found = adjusted(np.array([[0.8, 0.2], [1.0, 0.0]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    odds = (0.8 / 0.9) / (0.2 / 0.1)
    assert found == pytest.approx(np.array([[odds / (1 + odds), 1 / (1 + odds)], [1.0, 0.0]]))


def test_the_information_is_that_of_drawn_windows():
    rng = np.random.default_rng(2)
    part = vedette.make("label_shift").fit(inputs_shifted(rng, 20_000))
    found, errors = [], []
    for _ in range(60):
        window = classes_shifted(rng, 500, 0.3)
        c = part.calibrated(window.probabilities)
        prior = saerens(c, np.ones(500), part.prior_)
        found.append(prior[0])
        errors.append(float(np.sqrt(prior_covariance(c, np.ones(500), prior, part.prior_)[0, 0])))
    assert np.mean(found) == pytest.approx(0.7, abs=0.02)
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.35)  # 60 windows tell a deviation within 18 % or so


def test_estimates_from_the_table_are_those_of_the_rows():
    """1000 bins of scores stand for the rows: the same shares and estimates to three digits."""
    rng = np.random.default_rng(3)
    reference, window = inputs_shifted(rng, 3000), classes_shifted(rng, 2000, 0.2)
    part = vedette.make("label_shift", estimate=NAMES).fit(reference)
    c = part.calibrated(window.probabilities)
    c = adjusted(c, saerens(c, np.ones(2000), part.prior_), part.prior_)[:, 1]
    z = window.probabilities[:, 1] >= 0.5
    wanted = {
        "accuracy": np.where(z, c, 1 - c).mean(), "precision": c[z].mean(), "recall": c[z].sum() / c.sum(),
        "f1": 2 * c[z].sum() / (z.sum() + c.sum()),
    }  # fmt: skip
    values = result_of(part, window).values
    assert {name: values[name] for name in wanted} == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("three", [False, True])
def test_shards_say_what_one_pass_says(seed, three, merged):
    rng = np.random.default_rng(seed)
    draw = three_classes if three else inputs_shifted
    part = vedette.make("label_shift", estimate=NAMES, sample=200).fit(draw(rng, 400))
    window = draw(rng, 450)
    whole, split = result_of(part, window), part.result(merged(part, window, seed), CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-9) is None


def test_a_class_that_is_gone_and_one_that_never_was():
    rng = np.random.default_rng(4)
    part = vedette.make("label_shift").fit(inputs_shifted(rng, 2000))
    result = result_of(part, classes_shifted(rng, 500, 0.0))
    assert result.details["priors"]["yes"] < 0.02
    assert result.values["accuracy"] is not None
    only = inputs_shifted(rng, 300)
    only = only.take(np.flatnonzero(only.labels.values == 0))
    priors = result_of(vedette.make("label_shift").fit(only), only).details["priors"]
    assert priors == pytest.approx({"no": 1.0, "yes": 0.0})


def test_the_shares_of_three_classes_are_found():
    rng = np.random.default_rng(5)
    part = vedette.make("label_shift", estimate=NAMES).fit(three_classes(rng, 8000))
    cbpe = vedette.make("cbpe", estimate=NAMES).fit(three_classes(rng, 8000))
    window = three_classes(rng, 4000, (6.0, 1.0, 3.0))
    result, plain = result_of(part, window), result_of(cbpe, window)
    assert [*result.details["priors"].values()] == pytest.approx([0.6, 0.1, 0.3], abs=0.05)
    realised = {name: vedette.make(name).bind(window.schema).compute(window).values[name] for name in NAMES}
    off, plain_off = ({n: abs(r.values[n] - realised[n]) for n in NAMES} for r in (result, plain))
    assert max(off.values()) < 0.03, off
    assert sum(off.values()) < 0.5 * sum(plain_off.values()), (off, plain_off)


def test_under_label_shift_it_beats_cbpe():
    rng = np.random.default_rng(6)
    reference = inputs_shifted(rng, 10_000)
    parts = {use: vedette.make(use, estimate=NAMES).fit(reference) for use in ("cbpe", "label_shift")}
    realised = {name: vedette.make(name).bind(SCHEMA) for name in NAMES}
    off = {use: np.zeros((20, 5)) for use in parts}
    scaled = np.zeros((20, 5))
    for i, share in enumerate(np.repeat([0.15, 0.8], 10)):
        window = classes_shifted(rng, 1500, share)
        truth = np.array([metric.compute(window).values[name] for name, metric in realised.items()])
        for use, part in parts.items():
            result = result_of(part, window)
            off[use][i] = np.abs(np.array([result.values[name] for name in NAMES]) - truth)
        scaled[i] = off["label_shift"][i] / np.array([result.details["standard_error"][name] for name in NAMES])
    errors = {use: values.mean(axis=0) for use, values in off.items()}
    assert (errors["label_shift"] <= errors["cbpe"]).all(), errors
    assert errors["label_shift"][:4].max() < 0.03 < errors["cbpe"][1], errors  # precision hangs on the shares most
    assert np.mean(scaled <= 2.0) >= 0.85
