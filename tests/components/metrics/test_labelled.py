"""accuracy, log_loss, roc_auc against scikit-learn, one pass and merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from vedette.components.metrics.accuracy import Accuracy
from vedette.components.metrics.log_loss import LogLoss
from vedette.components.metrics.roc_auc import RocAuc, area_under_roc
from vedette_specs import Batch, ResultContext, Schema, category, numeric
from vedette_specs.codec import encode

CTX = ResultContext()
BINARY = Schema(task="binary", classes=("no", "yes"), positive="yes")
THREE = Schema(task="multiclass", classes=("a", "b", "c"))
FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def labelled(
    schema: Schema, n: int, seed: int = 0, missing: float = 0.0, skill: float = 2.0
) -> tuple[Batch, np.ndarray]:
    """A batch whose probabilities know something of the labels, and the label codes (-1 missing)."""
    rng = np.random.default_rng(seed)
    k = len(schema.classes)
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + skill * np.eye(k)[truth]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = np.where(rng.random(n) < missing, -1, truth)
    names = [None if c < 0 else schema.classes[c] for c in codes]
    answers = [schema.classes[c] for c in p.argmax(axis=1)]
    batch = Batch(
        inputs={},
        schema=schema,
        prediction=category(answers, schema.classes),
        probabilities=p,
        labels=category(names, schema.classes),
    )
    return batch, codes


@pytest.mark.parametrize("schema", [BINARY, THREE], ids=["binary", "multiclass"])
@FAST
@given(n=st.integers(20, 400), seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3]))
def test_merged_equals_scikit_learn(schema, n, seed, missing, merged):
    batch, codes = labelled(schema, n, seed, missing)
    known = codes >= 0
    p, answers = batch.probabilities[known], batch.prediction.values[known]
    truth = codes[known]
    accuracy = Accuracy()
    result = accuracy.result(merged(accuracy, batch, seed), CTX)
    assert result.values["accuracy"] == pytest.approx(sk.accuracy_score(truth, answers), rel=1e-12)
    assert result.n == known.sum()
    assert result.details["left_out"] == n - known.sum()
    loss = LogLoss()
    expected = sk.log_loss(truth, p, labels=list(range(len(schema.classes))))
    assert loss.result(merged(loss, batch, seed), CTX).values["log_loss"] == pytest.approx(expected, rel=1e-12)
    if len(set(truth)) == len(schema.classes):
        auc = RocAuc()
        got = auc.result(merged(auc, batch, seed), CTX)
        score = p[:, 1] if schema is BINARY else p
        exact = sk.roc_auc_score(truth, score, multi_class="ovr", average="macro")
        assert abs(got.values["roc_auc"] - exact) <= got.details["bound"] + 1e-12


def test_merged_states_equal_one_pass_to_the_byte(merged):
    batch, _ = labelled(THREE, 300, missing=0.2)
    for part in (Accuracy(), RocAuc(bins=50)):
        assert encode(merged(part, batch)) == encode(part.add(part.create(), batch))


def test_auc_with_1000_bins_is_as_close_as_promised():
    batch, codes = labelled(BINARY, 50_000, seed=3)
    result = RocAuc().compute(batch)
    exact = sk.roc_auc_score(codes, batch.probabilities[:, 1])
    assert result.details["bound"] < 1e-3
    assert abs(result.values["roc_auc"] - exact) < 5e-5


def test_auc_of_each_class_is_one_versus_rest():
    batch, codes = labelled(THREE, 3000, seed=5)
    by_class = RocAuc(bins=10_000).compute(batch).values["roc_auc_by_class"]
    for c, name in enumerate(THREE.classes):
        assert by_class[name] == pytest.approx(sk.roc_auc_score(codes == c, batch.probabilities[:, c]), abs=1e-4)


def test_auc_counts_pairs_by_hand():
    # scores .1 .4 .35 .8 with labels 0 0 1 1: scikit-learn's example, 3 of 4 pairs in order
    batch = Batch({}, BINARY, probabilities=np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]),
                  labels=category(["no", "no", "yes", "yes"], BINARY.classes))  # fmt: skip
    result = RocAuc().compute(batch)
    assert result.values["roc_auc"] == 0.75
    assert result.details["bound"] == 0.0
    # everything in one bin: one half, off by at most one half
    assert area_under_roc(np.array([7]), np.array([5])) == (0.5, 0.5)


def test_auc_of_ties_is_exact():
    scores = np.repeat([0.25, 0.5, 0.75], 40)
    truth = np.random.default_rng(0).integers(0, 2, 120)
    batch = Batch({}, BINARY, probabilities=np.column_stack([1 - scores, scores]),
                  labels=category([BINARY.classes[t] for t in truth], BINARY.classes))  # fmt: skip
    assert RocAuc().compute(batch).values["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, scores), rel=1e-12)


def test_one_class_only_has_no_area():
    batch, _ = labelled(BINARY, 50)
    only = batch.replace(labels=category(["yes"] * 50, BINARY.classes))
    result = RocAuc().compute(only)
    assert result.values["roc_auc"] is None
    assert result.status == "insufficient"
    assert result.details["undefined"] == ["yes"]
    assert result.n == 50


def test_a_class_without_rows_is_left_out_of_the_mean():
    batch, codes = labelled(THREE, 500, seed=9)
    two = batch.take(np.flatnonzero(codes != 2))
    result = RocAuc().compute(two)
    assert result.details["undefined"] == ["c"]
    assert result.values["roc_auc_by_class"]["c"] is None
    known = [v for v in result.values["roc_auc_by_class"].values() if v is not None]
    assert result.values["roc_auc"] == pytest.approx(np.mean(known), rel=1e-12)


@pytest.mark.parametrize("part", [Accuracy(), LogLoss(), RocAuc()], ids=lambda p: type(p).__name__)
class TestEveryLabelledMetric:
    def test_no_rows_is_not_zero(self, part):
        batch, _ = labelled(BINARY, 0)
        for state in (part.create(), part.add(part.create(), batch)):
            result = part.result(state, CTX)
            assert set(result.values.values()) == {None}
            assert result.status == "insufficient"
            assert result.n == 0

    def test_rows_without_labels_are_left_out_and_counted(self, part):
        batch, _ = labelled(BINARY, 30)
        result = part.compute(batch.replace(labels=None))
        assert set(result.values.values()) == {None}
        assert result.details["left_out"] == 30

    def test_rows_without_an_answer_are_left_out_and_counted(self, part):
        batch, _ = labelled(BINARY, 30)
        gone = np.where(np.arange(30)[:, None] < 10, np.nan, batch.probabilities)
        codes = np.where(np.arange(30) < 10, -1, batch.prediction.values).astype(np.int32)
        prediction = category([None if c < 0 else BINARY.classes[c] for c in codes], BINARY.classes)
        result = part.compute(batch.replace(probabilities=gone, prediction=prediction))
        assert result.n == 20
        assert result.details["left_out"] == 10
        nothing = part.compute(batch.replace(probabilities=None, prediction=None))
        assert nothing.n == 0
        assert nothing.details["left_out"] == 30

    def test_regression_is_refused(self, part):
        with pytest.raises(ValueError, match="regression"):
            part.clone().bind(Schema(task="regression"))

    def test_labels_are_needed_says_the_tag(self, part):
        assert part.tags.needs_labels

    def test_categories_in_another_order_are_the_same(self, part):
        batch, _ = labelled(BINARY, 200, seed=4)
        turned = category(batch.labels.strings().tolist(), ["yes", "no"])
        assert part.compute(batch.replace(labels=turned)).values == part.compute(batch).values


def test_an_unknown_class_is_an_error_of_the_model_only_for_accuracy():
    batch, _ = labelled(BINARY, 10)
    labels = category(["maybe"] * 4 + ["yes"] * 3 + ["no"] * 3, BINARY.classes)
    odd = batch.replace(labels=labels)
    assert Accuracy().compute(odd).n == 10
    loss = LogLoss().compute(odd)
    assert loss.n == 6
    assert loss.details["unknown_class"] == 4
    assert RocAuc().compute(odd).details["left_out"] == 4


def test_two_unknown_classes_are_not_equal():
    batch = Batch(
        {}, BINARY, labels=category(["x", "z"], BINARY.classes), prediction=category(["y", "z"], BINARY.classes)
    )
    assert Accuracy().compute(batch).values["accuracy"] == 0.5


def test_numbers_are_classes():
    schema = Schema(task="binary", classes=("0", "1"))
    batch = Batch({}, schema, labels=numeric([0, 1, 1, None]), prediction=numeric([0.0, 1.0, 0.0, 1.0]))
    result = Accuracy().compute(batch)
    assert result.values["accuracy"] == pytest.approx(2 / 3)
    assert result.details["left_out"] == 1


def test_accuracy_takes_the_prediction_from_probabilities():
    schema = Schema(task="binary", classes=("no", "yes"), positive="yes", threshold=0.3)
    p = np.array([[0.75, 0.25], [0.65, 0.35], [0.1, 0.9], [np.nan, np.nan]])
    batch = Batch({}, schema, probabilities=p, labels=category(["no", "yes", "no", "yes"], schema.classes))
    result = Accuracy().compute(batch)
    assert result.values["accuracy"] == pytest.approx(2 / 3)
    assert result.details["left_out"] == 1
    three, _ = labelled(THREE, 100)
    assert Accuracy().compute(three.replace(prediction=None)).values == Accuracy().compute(three).values


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_one_probability_column_is_that_of_the_positive_class(positive):
    schema = Schema(task="binary", classes=("no", "yes"), positive=positive)
    two, _ = labelled(schema, 200, seed=6)
    one = two.replace(probabilities=two.probabilities[:, [schema.positive_index]])
    for part in (LogLoss(), RocAuc()):
        for name, value in part.compute(two).values.items():
            assert part.compute(one).values[name] == pytest.approx(value, rel=1e-9)


def test_certain_and_wrong_is_finite_and_as_in_scikit_learn():
    batch = Batch({}, BINARY, probabilities=np.array([[1.0, 0.0], [0.5, 0.5]]),
                  labels=category(["yes", "no"], BINARY.classes))  # fmt: skip
    expected = sk.log_loss([1, 0], np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert LogLoss().compute(batch).values["log_loss"] == pytest.approx(expected, rel=1e-12)


def test_errors_name_what_is_wrong():
    batch, _ = labelled(BINARY, 5)
    with pytest.raises(ValueError, match=r"3 columns; schema\.classes has 2"):
        LogLoss().compute(batch.replace(probabilities=np.full((5, 3), 1 / 3)))
    with pytest.raises(ValueError, match=r"schema\.classes is empty"):
        RocAuc().compute(Batch({}, probabilities=np.full((5, 2), 0.5)))
    with pytest.raises(ValueError, match="bins is 1"):
        RocAuc(bins=1)
    part = RocAuc()
    with pytest.raises(ValueError, match="different classes"):
        part.merge(part.add(part.create(), batch), part.add(part.create(), labelled(THREE, 5)[0]))
