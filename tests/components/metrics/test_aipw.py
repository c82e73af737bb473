"""aipw_accuracy: labels that come for some rows more than for others, in simulations with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.components.metrics._aipw import Points, _expected, _propensity, weigh
from vedette.components.metrics.aipw_accuracy import AipwAccuracy
from vedette_specs import Batch, ResultContext, Schema, category
from vedette_specs.codec import encode

CTX = ResultContext()
SCHEMA = Schema(task="binary", classes=("no", "yes"), positive="yes")
REGIONS = ("eu", "us")


def simulated(
    seed: int, n: int, *, overconfident: float = 1.0, by_region: bool = False, everything: bool = False
) -> tuple[Batch, float]:
    """(rows that are labelled the oftener, the less sure the model is, and the accuracy of all of them).

    overconfident: the model's logits are so many times too large.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 2.0, n)
    region = rng.integers(0, 2, n)
    chance = 1 / (1 + np.exp(-logits))
    if by_region:  # the model is worse in one region, which is labelled more often
        chance = np.where(region == 1, 0.5 + (chance - 0.5) * 0.4, chance)
    truth = rng.random(n) < chance
    shown = 1 / (1 + np.exp(-logits * overconfident))
    sure = np.maximum(shown, 1 - shown)
    propensity = 0.04 + 0.8 * (2 * (1 - sure)) ** 2 if not by_region else np.where(region == 1, 0.5, 0.05)
    labelled = np.ones(n, dtype=bool) if everything else rng.random(n) < np.clip(propensity, 0.0, 1.0)
    names = [("yes" if t else "no") if known else None for t, known in zip(truth, labelled, strict=True)]
    batch = Batch(
        {}, SCHEMA, prediction=category(np.where(shown >= 0.5, "yes", "no"), SCHEMA.classes),
        probabilities=np.column_stack([1 - shown, shown]), labels=category(names, SCHEMA.classes),
        attributes={"region": category([REGIONS[r] for r in region], REGIONS)},
    )  # fmt: skip
    return batch, float(((shown >= 0.5) == truth).mean())


@pytest.mark.parametrize("overconfident", [1.0, 1.6, 0.6], ids=["calibrated", "too sure", "not sure enough"])
def test_labels_where_the_model_is_unsure_bias_the_mean_but_not_this(overconfident: float) -> None:
    batch, true = simulated(1, 20_000, overconfident=overconfident)
    result = AipwAccuracy().compute(batch)
    assert abs(result.values["labelled_accuracy"] - true) > 0.07
    assert abs(result.values["aipw_accuracy"] - true) < 2 * result.details["standard_error"]
    assert result.details["standard_error"] < 0.02
    assert result.n < 0.6 * len(batch)


def test_labels_of_one_region_bias_the_mean_but_not_this() -> None:
    batch, true = simulated(1, 20_000, by_region=True)
    result = AipwAccuracy(columns=["region"]).compute(batch)
    assert abs(result.values["labelled_accuracy"] - true) > 0.05
    assert abs(result.values["aipw_accuracy"] - true) < 2 * result.details["standard_error"]
    blind = AipwAccuracy().compute(batch)
    assert abs(blind.values["aipw_accuracy"] - true) > 4 * blind.details["standard_error"], "the column is needed"


@pytest.mark.slow
@pytest.mark.parametrize("overconfident", [1.0, 1.6])
@pytest.mark.parametrize("by_region", [False, True])
def test_intervals_hold_the_accuracy_as_often_as_they_say(overconfident: float, by_region: bool) -> None:
    """Of 400 windows of 2000 rows about 95 %: the interval is that of the accuracy that all labels would have shown."""
    held, errors, naive = 0, [], []
    metric = AipwAccuracy(columns=["region"] if by_region else None)
    for seed in range(400):
        batch, true = simulated(seed, 2000, overconfident=overconfident, by_region=by_region)
        result = metric.compute(batch)
        low, high = result.details["interval"]
        held += low <= true <= high
        errors.append(result.values["aipw_accuracy"] - true)
        naive.append(result.values["labelled_accuracy"] - true)
    assert held >= 0.93 * 400
    assert abs(np.mean(errors)) < 0.006
    assert abs(np.mean(naive)) > 0.05


def test_with_all_labels_it_is_the_accuracy() -> None:
    batch, true = simulated(2, 3000, everything=True)
    result = AipwAccuracy().compute(batch)
    assert result.values == pytest.approx({"aipw_accuracy": true, "labelled_accuracy": true}, abs=1e-12)
    assert result.details["standard_error"] == pytest.approx(np.sqrt(true * (1 - true) / 3000), rel=0.01)
    assert (result.details["coverage"], result.details["unsupported"]) == (1.0, 0.0)
    assert result.details["effective_labels"] == pytest.approx(3000)


def test_the_estimate_row_by_row() -> None:
    """The sum over cells is the mean over rows of m + L (Y - m) / e, and its error that of their spread."""
    rng = np.random.default_rng(0)
    rows = rng.integers(5, 40, 12).astype(float)
    labels = np.ceil(rows * rng.random(12) * 0.9)
    right = np.floor(labels * rng.random(12))
    cells, labelled, others = (Points(np.linspace(-2, 4, 12) + d, np.zeros((12, 0))) for d in (0.0, -0.1, 0.1))
    found = weigh(cells, labelled, others, rows, labels, right)
    e = _propensity(cells, labelled, rows, labels)
    slope = _expected(labelled, labels, right)
    values = []
    for i in range(12):
        m, guess = (1 / (1 + np.exp(-(slope @ point.linear[i]))) for point in (labelled, others))
        wrong = labels[i] - right[i]
        values += [guess] * int(rows[i] - labels[i])
        values += [m + (1 - m) / e[i]] * int(right[i]) + [m - m / e[i]] * int(wrong)
    assert found.estimate == pytest.approx(np.mean(values))
    enlarged = found.effective / (found.effective - 6)  # offset, slope; offset, slope, square, cube
    assert found.standard_error == pytest.approx(np.std(values) / np.sqrt(len(values)) * np.sqrt(enlarged))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 200), most=st.integers(1, 3), parts=st.integers(1, 4))
def test_predictions_and_labels_in_any_order_equal_one_pass(seed: int, n: int, most: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    batch, _ = simulated(seed, n)
    batch = batch.replace(attributes={"region": category(rng.choice(list("abcdef"), n))})
    metric = AipwAccuracy(columns=["region"], max_groups=most).bind(SCHEMA)
    whole = metric.add(metric.create(), batch)
    assert batch.labels is not None
    known = np.flatnonzero(~batch.labels.missing())
    states = [metric.add_predicted(metric.create(), batch.take(part).replace(labels=None))
              for part in np.array_split(rng.permutation(n), parts)]  # fmt: skip
    states += [
        metric.add_labelled(metric.create(), batch.take(p)) for p in np.array_split(rng.permutation(known), parts)
    ]
    total = metric.create()
    for i in rng.permutation(len(states)):
        total = metric.merge(total, states[i])
    for key in ("groups", "rows", "labelled", "right"):
        assert encode({"x": total["cells"][key]}) == encode({"x": whole["cells"][key]})
    expected = metric.result(whole, CTX)
    if expected.status == "ok":
        assert metric.result(total, CTX).values == pytest.approx(expected.values, rel=1e-9)
    bare = metric.without_labels(total)
    assert bare["cells"]["rows"].sum() == n
    assert bare["cells"]["labelled"].sum() == bare["cells"]["right"].sum() == 0


def test_without_any_label_nothing_is_made_up() -> None:
    batch, _ = simulated(0, 50)
    result = AipwAccuracy().compute(batch.replace(labels=None))
    assert (result.status, result.n, set(result.values.values())) == ("insufficient", 0, {None})
    assert result.details["rows"] == 50


def test_what_no_label_supports_is_said() -> None:
    batch, _ = simulated(3, 4000)
    assert batch.probabilities is not None
    assert batch.labels is not None
    unsure = batch.probabilities.max(axis=1) < 0.8
    labels = category([v if u else None for v, u in zip(batch.labels.to_list(), unsure, strict=True)], SCHEMA.classes)
    result = AipwAccuracy().compute(batch.replace(labels=labels))
    assert result.details["unsupported"] == pytest.approx(np.mean(~unsure), abs=0.06)


def test_rows_without_probabilities_are_left_out() -> None:
    batch, _ = simulated(0, 100)
    assert batch.probabilities is not None
    p = batch.probabilities.copy()
    p[:10] = np.nan
    result = AipwAccuracy().compute(batch.replace(probabilities=p))
    assert (result.details["left_out"], result.details["rows"]) == (10, 90)


@pytest.mark.parametrize(
    ("options", "message"), [({"bins": 2}, "bins is 2; allowed: 4 to 256"), ({"max_groups": 0}, "max_groups is 0")]
)
def test_options_are_checked(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AipwAccuracy(**options)
