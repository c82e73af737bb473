"""performance_range: the ends are those of the methods, and the assumption that is chosen is the one that is true."""

from __future__ import annotations

import numpy as np
import pytest
from tests.components.metrics.populations import SCHEMA, classes_shifted, inputs_shifted, three_classes

import vedette
from vedette.testing.lab import difference
from vedette_specs import ResultContext

CTX = ResultContext()
NAMES = ["accuracy", "roc_auc"]


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


@pytest.fixture(scope="module")
def fitted():
    return vedette.make("performance_range", estimate=NAMES).fit(inputs_shifted(np.random.default_rng(0), 8000))


def windows(rng):
    return {
        "cbpe": inputs_shifted(rng, 1500), "pape": inputs_shifted(rng, 1500, 0.7),
        "label_shift": classes_shifted(rng, 1500, 0.2),
    }  # fmt: skip


def test_the_ends_are_those_of_the_methods(fitted):
    for window in windows(np.random.default_rng(1)).values():
        result = result_of(fitted, window)
        for use in ("cbpe", "pape", "label_shift"):
            alone = vedette.make(use, estimate=NAMES).fit(inputs_shifted(np.random.default_rng(0), 8000))
            assert result.details[use]["values"] == pytest.approx(result_of(alone, window).values, rel=1e-12)
        for name in NAMES:
            found = [result.details[use]["values"][name] for use in ("cbpe", "pape", "label_shift")]
            assert (result.values[f"{name}_low"], result.values[f"{name}_high"]) == (min(found), max(found))
            assert result.values[name] == result.details[result.details["chosen"]]["values"][name]
        assert list(result.values) == [f"{name}{end}" for name in NAMES for end in ("_low", "", "_high")]


def test_the_true_assumption_is_chosen(fitted):
    rng = np.random.default_rng(2)
    chosen = {"cbpe": [], "pape": [], "label_shift": []}
    for _ in range(8):
        for true, window in windows(rng).items():
            chosen[true].append(result_of(fitted, window).details["chosen"])
    right = {true: np.mean([use == true for use in found]) for true, found in chosen.items()}
    assert min(right.values()) >= 0.75, chosen


def test_the_true_value_lies_in_the_range_or_near_it(fitted):
    rng = np.random.default_rng(3)
    for window in windows(rng).values():
        values = result_of(fitted, window).values
        realised = vedette.make("accuracy").bind(SCHEMA).compute(window).values["accuracy"]
        assert values["accuracy_low"] - 0.03 <= realised <= values["accuracy_high"] + 0.03


def test_far_from_the_reference_no_assumption_is_tested(fitted):
    result = result_of(fitted, inputs_shifted(np.random.default_rng(4), 1500, 4.0))
    assert result.details["chosen"] == "cbpe"
    assert result.details["why"].startswith("the inputs have shifted to where the reference has too few rows")


@pytest.mark.parametrize("three", [False, True])
def test_shards_say_what_one_pass_says(three, merged):
    rng = np.random.default_rng(5)
    draw = three_classes if three else inputs_shifted
    part = vedette.make("performance_range", sample=200).fit(draw(rng, 500))
    window = draw(rng, 400)
    whole, split = result_of(part, window), part.result(merged(part, window, 1), CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-9) is None


def test_nothing_is_known_of_no_rows(fitted):
    result = result_of(fitted, inputs_shifted(np.random.default_rng(6), 5).take([]))
    assert (result.n, result.status) == (0, "insufficient")
    assert set(result.values.values()) == {None}


def test_a_confusion_matrix_has_no_range():
    with pytest.raises(ValueError, match="a confusion_matrix has no range: see cbpe"):
        vedette.make("performance_range", estimate=["accuracy", "confusion_matrix"])
