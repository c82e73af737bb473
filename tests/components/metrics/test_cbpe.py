"""cbpe: its formula by plain loops, its laws, its errors, and how near it comes without a shift."""

from __future__ import annotations

import numpy as np
import pytest
from tests.components.metrics.populations import SCHEMA, inputs_shifted, three_classes

import vedette
from vedette.components.metrics._calibration import isotonic_curve
from vedette.components.metrics._expected import ESTIMATES
from vedette.config.plan import ComponentSpec
from vedette.testing.lab import difference
from vedette_specs import Batch, ResultContext, Schema, category, numeric

CTX = ResultContext()
BINARY = Schema(task="binary", classes=("no", "yes"), positive="yes")
EVERY = list(ESTIMATES)


def rows_of(p, labels=None, prediction=None, schema=BINARY) -> Batch:
    p = np.asarray(p, dtype=float)
    return Batch(
        {},
        schema,
        probabilities=np.column_stack([1.0 - p, p]),
        labels=None if labels is None else category(labels, schema.classes),
        prediction=None if prediction is None else category(prediction, schema.classes),
    )


def believed(**options):
    """A cbpe that takes probabilities as they are."""
    reference = rows_of([0.9, 0.2, 0.7, 0.4], ["yes", "no", "yes", "no"])
    return vedette.make("cbpe", calibrate=False, **options).fit(reference)


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


def test_the_literal_case():
    result = result_of(believed(estimate=["confusion_matrix", "accuracy"]), rows_of([0.9, 0.8, 0.3, 0.6]))
    cells = {"no -> no": 0.7, "no -> yes": 0.7, "yes -> no": 0.3, "yes -> yes": 2.3}
    assert result.values["confusion_matrix"] == pytest.approx(cells)
    assert result.values["accuracy"] == pytest.approx(0.75)
    assert (result.n, result.status, result.details["left_out"]) == (4, "ok", 0)


def loops(p: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """All estimates by the book. p: (n,) probabilities of "yes"; z: (n,) True where "yes" is answered."""
    tp, fp, fn, tn = p[z].sum(), (1 - p[z]).sum(), p[~z].sum(), (1 - p[~z]).sum()
    wins = pairs = 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            if i != j:
                pairs += p[i] * (1 - p[j])
                wins += p[i] * (1 - p[j]) * (0.5 if p[i] == p[j] else float(p[i] > p[j]))
    return {
        "accuracy": (tp + tn) / len(p), "precision": tp / (tp + fp), "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn), "roc_auc": wins / pairs,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [2, 10, 1000])
def test_estimates_are_those_of_the_formula(seed, bins):
    rng = np.random.default_rng(seed)
    reference = inputs_shifted(rng, 500)
    window = inputs_shifted(rng, 120, 0.5)
    part = vedette.make("cbpe", estimate=EVERY, calibrate=False, bins=bins).fit(reference)
    result = result_of(part, window)
    wanted = loops(window.probabilities[:, 1], window.probabilities[:, 1] >= 0.5)
    area, bound = wanted.pop("roc_auc"), result.details["bound"]
    assert {name: result.values[name] for name in wanted} == pytest.approx(wanted, rel=1e-12)
    assert abs(result.values["roc_auc"] - area) <= bound + 1e-12
    assert bound <= 1.0 / bins


def pool_adjacent_violators(scores, hits):
    """(n,) fitted values of sorted rows, block by block."""
    blocks = []
    for hit in hits[np.argsort(scores)].tolist():
        blocks.append([hit, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    return np.concatenate([np.full(count, total / count) for total, count in blocks])


def test_calibration_is_isotonic_regression():
    rng = np.random.default_rng(3)
    scores = rng.random(300)
    hits = (rng.random(300) < scores**2).astype(float)
    curve = isotonic_curve(scores, hits)
    assert np.interp(np.sort(scores), *curve) == pytest.approx(pool_adjacent_violators(scores, hits), abs=1e-12)


def test_calibrated_estimates_are_sums_over_the_curve():
    rng = np.random.default_rng(4)
    reference, window = inputs_shifted(rng, 800), inputs_shifted(rng, 300)
    part = vedette.make("cbpe", estimate=["accuracy", "recall"]).fit(reference)
    p, y = reference.probabilities[:, 1], (reference.labels.values == 1).astype(float)
    c = np.interp(window.probabilities[:, 1], np.sort(p), pool_adjacent_violators(p, y))
    z = window.probabilities[:, 1] >= 0.5
    wanted = {"accuracy": np.where(z, c, 1 - c).mean(), "recall": c[z].sum() / c.sum()}
    assert result_of(part, window).values == pytest.approx(wanted, abs=1e-12)


def test_standard_errors_are_those_of_drawn_labels():
    rng = np.random.default_rng(5)
    window = inputs_shifted(rng, 400)
    part = vedette.make("cbpe", estimate=EVERY, calibrate=False).fit(window)
    found = result_of(part, window).details["standard_error"]
    p, z = window.probabilities[:, 1], window.probabilities[:, 1] >= 0.5
    y = rng.random((3000, len(p))) < p
    tp, fn = (y & z).sum(axis=1), (y & ~z).sum(axis=1)
    rank = np.argsort(np.argsort(p)) + 1
    yes = y.sum(axis=1)
    area = ((y * rank).sum(axis=1) - yes * (yes + 1) / 2) / (yes * (len(p) - yes))
    drawn = {
        "accuracy": (y == z).mean(axis=1), "precision": tp / z.sum(), "recall": tp / (tp + fn),
        "f1": 2 * tp / (z.sum() + tp + fn), "roc_auc": area,
    }  # fmt: skip
    for name, values in drawn.items():
        assert found[name] == pytest.approx(values.std(), rel=0.06), name
    assert found["confusion_matrix"]["yes -> yes"] == pytest.approx(tp.std(), rel=0.06)
    assert found["confusion_matrix"]["yes -> no"] == pytest.approx(fn.std(), rel=0.06)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("three", [False, True])
def test_shards_say_what_one_pass_says(seed, three, merged):
    rng = np.random.default_rng(seed)
    draw = three_classes if three else inputs_shifted
    part = vedette.make("cbpe", estimate=EVERY).fit(draw(rng, 400))
    window = draw(rng, 90)
    whole, split = result_of(part, window), part.result(merged(part, window, seed), CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-11) is None


def test_the_models_own_answer_goes_before_the_threshold():
    part = believed(estimate="accuracy")
    assert result_of(part, rows_of([0.9, 0.8], prediction=["no", "yes"])).values["accuracy"] == pytest.approx(0.45)


def test_threshold_and_positive_class_are_the_schemas():
    schema = Schema(task="binary", classes=("ill", "well"), positive="ill", threshold=0.2)
    p_ill = np.array([0.1, 0.3, 0.25, 0.9])
    batch = Batch(
        {}, schema, probabilities=np.column_stack([p_ill, 1 - p_ill]), labels=category(["well", "ill", "well", "ill"])
    )
    part = vedette.make("cbpe", estimate=["precision", "recall"], calibrate=False).fit(batch)
    wanted = {"precision": 1.45 / 3, "recall": 1.45 / 1.55}
    assert result_of(part, batch).values == pytest.approx(wanted)
    one_column = batch.replace(probabilities=p_ill[:, None])
    assert result_of(part, one_column).values == pytest.approx(wanted)


def test_three_classes_are_means_over_the_classes():
    rng = np.random.default_rng(6)
    batch = three_classes(rng, 400)
    part = vedette.make("cbpe", estimate=EVERY, calibrate=False).fit(batch)
    p, z = batch.probabilities, batch.probabilities.argmax(axis=1)
    matrix = np.array([[p[z == answer, label].sum() for answer in range(3)] for label in range(3)])
    right, answered, labelled = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    result = result_of(part, batch)
    assert result.values["accuracy"] == pytest.approx(right.sum() / 400)
    assert result.values["precision"] == pytest.approx((right / answered).mean())
    assert result.values["recall"] == pytest.approx((right / labelled).mean())
    assert result.values["f1"] == pytest.approx((2 * right / (answered + labelled)).mean())
    assert result.values["confusion_matrix"]["a -> b"] == pytest.approx(matrix[0, 1])
    areas = [loops(p[:, k], np.arange(400) < 200)["roc_auc"] for k in range(3)]
    assert result.values["roc_auc"] == pytest.approx(np.mean(areas), abs=result.details["bound"] + 1e-12)
    errors = result.details["standard_error"]
    assert errors["accuracy"] > 0.0
    assert errors["precision"] > 0.0
    assert errors["recall"] is None  # not known, rather than wrong


def test_calibrated_probabilities_of_three_classes_add_up_to_one():
    rng = np.random.default_rng(7)
    part = vedette.make("cbpe", estimate="confusion_matrix").fit(three_classes(rng, 300))
    window = three_classes(rng, 50)
    assert sum(result_of(part, window).values["confusion_matrix"].values()) == pytest.approx(50)


def test_rows_without_an_answer_are_left_out():
    part = believed()
    batch = rows_of([0.9, np.nan, 0.8], prediction=["yes", "yes", None])
    result = result_of(part, batch)
    assert (result.n, result.details["left_out"], result.values["accuracy"]) == (1, 2, pytest.approx(0.9))
    nothing = result_of(part, rows_of([]))
    assert (nothing.status, nothing.values) == ("insufficient", {"accuracy": None, "roc_auc": None})


def test_values_have_the_estimates_names():
    assert believed().wanted == ("accuracy", "roc_auc")
    values = result_of(believed(estimate="roc_auc"), rows_of([0.9, 0.2])).values
    assert list(values) == ["roc_auc"]
    assert ComponentSpec("metric", "cbpe", {}, "cbpe").named(values) == values  # so that `estimated.roc_auc` is there
    assert list(ComponentSpec("metric", "cbpe", {}, "expected").named(values)) == ["expected"]


def test_the_reference_is_estimated_by_curves_that_have_not_seen_it():
    rng = np.random.default_rng(8)
    reference = inputs_shifted(rng, 4000)
    part = vedette.make("cbpe").fit(reference)
    found = result_of(part, reference).details["reference"]
    realised = (reference.labels.values == (reference.probabilities[:, 1] >= 0.5)).mean()
    assert found["rows"] == 4000
    assert found["realised"]["accuracy"] == pytest.approx(realised)
    assert found["estimated"]["accuracy"] == pytest.approx(realised, abs=0.02)
    assert found["estimated"]["accuracy"] != found["realised"]["accuracy"]


@pytest.mark.parametrize("use", ["cbpe", "pape", "label_shift", "performance_range"])
def test_what_the_reference_lacks_is_named(use):
    rng = np.random.default_rng(9)
    rows = inputs_shifted(rng, 300)
    with pytest.raises(ValueError, match="the reference has no labels; it learns from labels and probabilities"):
        vedette.make(use).fit(rows.replace(labels=None))
    with pytest.raises(ValueError, match="the reference has no probabilities; it learns from labels"):
        vedette.make(use).fit(rows.replace(probabilities=None))
    unknown = category([None] * 300, SCHEMA.classes)
    with pytest.raises(ValueError, match="0 of the reference's 300 rows have a label out of"):
        vedette.make(use).fit(rows.replace(labels=unknown))
    with pytest.raises(ValueError, match=r"schema\.task is 'regression'; allowed: binary, multiclass"):
        vedette.make(use).bind(Schema(task="regression"))


@pytest.mark.parametrize("estimate", ["acuracy", [], ["accuracy", "auc"]])
@pytest.mark.parametrize("use", ["cbpe", "pape", "label_shift", "performance_range"])
def test_what_is_no_estimate_is_refused(use, estimate):
    with pytest.raises(ValueError, match=r"estimate.*accuracy"):
        vedette.make(use, estimate=estimate)


def test_one_class_in_the_reference_is_taken_as_it_is():
    part = vedette.make("cbpe", estimate=["accuracy", "recall"]).fit(rows_of([0.9, 0.2, 0.6], ["no"] * 3))
    result = result_of(part, rows_of([0.9, 0.1]))
    assert result.values == {"accuracy": pytest.approx(0.5), "recall": None}


def test_numeric_columns_are_not_needed():
    batch = rows_of([0.9, 0.2, 0.6], ["yes", "no", "no"]).replace(inputs={"age": numeric([1.0, np.nan, np.inf])})
    assert vedette.make("cbpe").fit(batch).compute(batch).n == 3
