"""What is particular to some metrics of labels: undeclared classes, what is not defined, bounds, options refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import vedette
from vedette.components.metrics._gains import share_of_positives
from vedette.components.metrics.average_precision import area_under_precision
from vedette_specs import Batch, Schema, category

SCHEMA = Schema(task="multiclass", classes=("a", "b", "c"))
BINARY = Schema(task="binary", classes=("no", "yes"), positive="yes")
Y = ["a", "a", "a", "b", "b", "odd", "c", "odd", None, "c"]
Z = ["a", "a", "b", "b", "strange", "a", "c", "odd", "a", None]


def batch(y=Y, z=Z, schema=SCHEMA) -> Batch:
    return Batch({}, schema, labels=category(y, schema.classes), prediction=category(z, schema.classes))


def known() -> tuple[list[str], list[str]]:
    """An undeclared class never equals another, itself included."""
    pairs = [(a, b) for a, b in zip(Y, Z, strict=True) if a and b]
    return [a if a in SCHEMA.classes else "label?" for a, _ in pairs], [
        b if b in SCHEMA.classes else "answer?" for _, b in pairs
    ]


def test_undeclared_classes_are_errors_and_counted():
    y, z = known()
    names = list(SCHEMA.classes)
    for use, wanted in {
        "precision": sk.precision_score(y, z, labels=names, average="macro", zero_division=np.nan),
        "recall": sk.recall_score(y, z, labels=names, average="macro", zero_division=np.nan),
        "f1": sk.f1_score(y, z, labels=names, average="macro", zero_division=np.nan),
        "mcc": sk.matthews_corrcoef(y, z),
        "kappa": sk.cohen_kappa_score(y, z),
    }.items():
        result = vedette.make(use).compute(batch())
        assert result.values[use] == pytest.approx(wanted, rel=1e-12), use
        assert result.details["unknown_class"] == 3
        assert result.details["left_out"] == 2
        assert result.n == 8
    matrix = vedette.make("confusion_matrix").compute(batch())
    assert matrix.details["matrix"] == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 1]]
    assert matrix.details["classes"] == ["a", "b", "c", "(other)"]
    assert matrix.values["confusion_matrix"]["a -> b"] == 1.0
    kept = [i for i, (a, b) in enumerate(zip(y, z, strict=True)) if a in names and b in names]
    linear = vedette.make("kappa", disagreement="linear").compute(batch())
    wanted = sk.cohen_kappa_score([y[i] for i in kept], [z[i] for i in kept], weights="linear")
    assert linear.values["kappa"] == pytest.approx(wanted, rel=1e-12)
    assert linear.n == len(kept)


def test_what_is_not_defined_is_named_and_not_zero():
    never_yes = batch(["no", "yes", "no"], ["no", "no", "no"], BINARY)
    precision = vedette.make("precision").compute(never_yes)
    assert precision.values == {"precision": None}
    assert precision.status == "insufficient"
    assert precision.details["undefined"] == ["yes"]
    assert vedette.make("recall").compute(never_yes).values == {"recall": 0.0}
    assert vedette.make("f1").compute(never_yes).values == {"f1": 0.0}
    assert vedette.make("precision", average="macro").compute(never_yes).values["precision"] == pytest.approx(2 / 3)
    assert vedette.make("mcc").compute(never_yes).values == {"mcc": None}
    assert vedette.make("kappa").compute(never_yes).values == {"kappa": 0.0}
    all_no = batch(["no"] * 3, ["no"] * 3, BINARY)
    for use in ("kappa", "mcc", "f1", "recall", "precision"):
        assert vedette.make(use).compute(all_no).values == {use: None}, use
    assert vedette.make("specificity").compute(all_no).values == {"specificity": 1.0}
    all_yes = batch(["yes"] * 3, ["no"] * 3, BINARY)
    assert vedette.make("specificity").compute(all_yes).values == {"specificity": None}
    assert vedette.make("balanced_accuracy").compute(all_yes).values == {"balanced_accuracy": 0.0}
    assert vedette.make("balanced_accuracy").compute(all_yes).details["undefined"] == ["no"]


def test_single_values_take_a_name_of_their_own_by_as():
    """`{use: f_beta, beta: 2, as: f2}` in YAML renames a component's only value."""
    for use in ("precision", "recall", "f_beta", "f1", "specificity"):
        for average in ("macro", "by_class"):
            assert list(vedette.make(use, average=average).compute(batch()).values) == [use]


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="precision: average is 'binary', but there are 3 classes"):
        vedette.make("precision", average="binary").bind(SCHEMA)
    for beta in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="beta is"):
            vedette.make("f_beta", beta=beta)
    with pytest.raises(ValueError, match="allowed: up to 50"):
        vedette.make("confusion_matrix").bind(Schema(task="multiclass", classes=tuple(f"c{i}" for i in range(51))))
    with pytest.raises(ValueError, match=r"recall: schema\.classes is empty"):
        vedette.make("recall").compute(batch(schema=Schema()))
    for at in (0.0, 1.1):
        with pytest.raises(ValueError, match="lift: at is"):
            vedette.make("lift", at=at)
    with pytest.raises(ValueError, match="gain: there are 3 classes"):
        vedette.make("gain").bind(SCHEMA)
    for use in ("gain", "lift", "average_precision", "calibration_error"):
        with pytest.raises(ValueError, match=f"{use}: bins is 1"):
            vedette.make(use, bins=1)
    with pytest.raises(ValueError, match="top_k: k is 0"):
        vedette.make("top_k", k=0)
    with pytest.raises(ValueError, match="pinball: q is 2"):
        vedette.make("pinball", q=2.0)


@settings(max_examples=200, deadline=None)
@given(
    scores=st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=40),
    at=st.sampled_from([0.05, 0.3, 0.5, 1.0]),
)
def test_bounds_hold_for_every_order_within_a_bin(scores, at):
    """Few bins and many scores: the exact value, ties or not, is within the bound."""
    fine = np.array([s for s, _ in scores])
    truth = np.array([t for _, t in scores])
    place = np.minimum(fine // 10, 3)
    negative, positive = np.bincount(place[~truth], minlength=4), np.bincount(place[truth], minlength=4)
    found, gain = area_under_precision(negative, positive), share_of_positives(negative, positive, at)
    if not truth.any():
        assert found is None
        assert gain is None
        return
    value, bound = found
    assert abs(value - sk.average_precision_score(truth, fine)) <= bound + 1e-12
    order = np.argsort(-fine, kind="stable")  # the exact gain: whole rows first, then a part of the next one
    rows = at * len(fine)
    taken = np.clip(rows - np.arange(len(fine)), 0.0, 1.0)
    assert abs(gain[0] - (taken * truth[order]).sum() / truth.sum()) <= gain[1] + 1e-12


def test_bounds_are_small_where_scores_are_spread():
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.1
    p = 1 / (1 + np.exp(-(rng.normal(size=20_000) + 2 * truth - 2)))
    rows = Batch({}, BINARY, probabilities=np.column_stack([1 - p, p]),
                 labels=category(np.where(truth, "yes", "no").tolist(), BINARY.classes))  # fmt: skip
    assert vedette.make("average_precision").compute(rows).details["bound"] < 0.01
    assert vedette.make("lift").compute(rows).details["bound"] < 0.02
    assert vedette.make("lift").compute(rows).values["lift"] > 3.0


def test_the_reliability_curve_by_hand():
    p = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    rows = Batch({}, BINARY, probabilities=np.column_stack([1 - p, p]),
                 labels=category(["no", "yes", "no", "yes", "no"], BINARY.classes))  # fmt: skip
    result = vedette.make("calibration_error").compute(rows)
    curve = result.details["curve"]
    assert [(c["n"], round(c["probability"], 12), c["frequency"]) for c in curve] == [
        (1, 0.05, 0.0), (2, 0.15, 0.5), (2, 0.975, 0.5),
    ]  # fmt: skip
    assert [(c["from"], c["to"]) for c in curve] == [(0.0, 0.1), (0.1, 0.2), (0.9, 1.0)]
    assert result.values["calibration_error"] == pytest.approx((0.05 + 2 * 0.35 + 2 * 0.475) / 5)
    assert result.values["max_calibration_error"] == pytest.approx(0.475)


def test_top_k_of_more_places_than_classes_is_one():
    p = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    rows = Batch({}, SCHEMA, probabilities=p, labels=category(["c", "a"], SCHEMA.classes))
    assert vedette.make("top_k", k=3).compute(rows).values == {"top_k": 1.0}
    assert vedette.make("top_k", k=2).compute(rows).values == {"top_k": 0.0}  # of equal ones the later is higher
