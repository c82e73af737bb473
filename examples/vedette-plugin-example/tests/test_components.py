"""What each component answers, against numbers known otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import vedette_plugin_example
from vedette_plugin_example.ice import Ice
from vedette_plugin_example.mean_shift import MeanShift
from vedette_plugin_example.simpson import Simpson

from vedette.plugins import load_registry
from vedette.testing import MadeUpModel, binary_classification
from vedette_specs import Batch, ExplainContext, category


def test_all_are_registered() -> None:
    registry = load_registry([], {"example": vedette_plugin_example})
    assert registry.failures == ()
    assert {(r.kind, r.name) for r in registry.components} == {
        ("metric", "simpson"),
        ("drift", "mean_shift"),
        ("explainer", "ice"),
        ("sink", "table"),
    }
    for registered in registry.components:
        registry.load(registered.name)


def test_even_categories_are_diverse() -> None:
    rows = Batch({"a": category(["x", "y", "z", "w"] * 5), "b": category(["x", None] * 10)})
    result = Simpson().compute(rows)
    assert result.values == {"simpson": {"a": pytest.approx(0.75), "b": 0.0}}


def test_rare_categories_are_joined() -> None:
    rows = Batch({"a": category(["x"] * 8 + ["y", "z", "u", "v"])})
    (index,) = Simpson(limit=2).compute(rows).values["simpson"].values()
    assert index == pytest.approx(1 - (2 / 3) ** 2 - (1 / 3) ** 2)


def test_mean_shift_names_the_feature_that_moved() -> None:
    reference, rows = binary_classification(2000, seed=1), binary_classification(500, seed=2)
    moved = rows.with_inputs(age=type(rows.inputs["age"])("numeric", rows.inputs["age"].values + 6.0))
    verdict = MeanShift().fit(reference).test(moved)
    effects = {f.feature: f.effect for f in verdict.features if f.drifted}
    assert list(effects) == ["age"]
    assert effects["age"] == pytest.approx(0.5, abs=0.1)  # 6 years in standard deviations of 12


@pytest.mark.parametrize("correction", ["bonferroni", "bh", "by"])
def test_mean_shift_keeps_its_level(correction: str) -> None:
    detector = MeanShift(correction=correction).fit(binary_classification(4000, seed=1))
    alarms = sum(bool(detector.test(binary_classification(300, seed=s)).drifted) for s in range(10, 210))
    assert alarms / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_few_rows_are_insufficient() -> None:
    verdict = MeanShift().fit(binary_classification(500)).test(binary_classification(20))
    assert verdict.drifted is None
    assert verdict.status == "insufficient"


def test_ice_follows_the_model() -> None:
    model = MadeUpModel("binary")
    rows = model.rows(1, seed=3)
    steps = Ice(points=5).fit(model.rows(500)).steps(rows, ExplainContext(outputs=("no", "yes")))
    ask = next(steps)
    curves = {}
    try:
        while True:
            ask = steps.send(model.predict(ask.rows))
    except StopIteration as stop:
        curves = stop.value[0].data["curves"]
    assert list(curves) == ["age", "hours", "balance"]
    for curve in curves.values():
        assert np.all(np.diff(curve["outputs"]["yes"]) > 0), "the model's output rises with each feature"
