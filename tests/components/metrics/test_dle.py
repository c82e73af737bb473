"""dle: the sums, the errors, and how near it comes where errors grow with an input."""

from __future__ import annotations

import numpy as np
import pytest

import vedette
from vedette.engine.fitted import pack_component, unpack_component
from vedette.testing.lab import difference
from vedette_specs import Batch, ResultContext, Schema, category, numeric
from vedette_specs.codec import decode, encode

CTX = ResultContext()
SCHEMA = Schema({"x": "numeric", "site": "category"}, "regression", label="y")


def rows(n: int, seed: int, shift: float = 0.0, b: float = 0.5, scale: float = 1000.0) -> Batch:
    """Noise of the labels grows with x, and is three times as large at site b. The model is right on average."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.0, n)
    site = rng.random(n) < b
    noise = np.exp(0.5 * x) * np.where(site, 3.0, 1.0)
    answer = 2.0 * x
    y = answer + noise * rng.normal(size=n)
    sites = category(np.where(site, "b", "a"), ("a", "b"))
    inputs = {"x": numeric(x), "site": sites}
    return Batch(inputs, SCHEMA, prediction=numeric(scale * answer), labels=numeric(scale * y))


def realised(batch: Batch) -> dict[str, float]:
    off = batch.labels.values - batch.prediction.values
    return {"mae": float(np.abs(off).mean()), "rmse": float(np.sqrt((off**2).mean()))}


def result_of(part, batch):
    return part.result(part.add(part.create(), batch), CTX)


BOTH = ["mae", "rmse"]
FITTED = vedette.make("dle", estimate=BOTH).fit(rows(6000, 0))


def test_it_is_the_mean_of_what_the_second_model_says():
    window = rows(300, 1)
    x = FITTED._features(window, window.prediction.values)
    losses = {name: model.predict(x) * FITTED.units_[name] for name, model in FITTED.models_.items()}
    values = result_of(FITTED, window).values
    assert values["mae"] == pytest.approx(losses["mae"].mean())
    assert values["rmse"] == pytest.approx(np.sqrt(losses["rmse"].mean()))


@pytest.mark.parametrize(("shift", "b"), [(0.0, 0.5), (0.8, 0.5), (-0.8, 0.5), (0.0, 0.1), (0.0, 0.9)])
def test_estimates_follow_the_inputs(shift, b):
    many = [rows(1500, 10 + i, shift, b) for i in range(6)]
    found = np.array([[*result_of(FITTED, w).values.values(), *realised(w).values()] for w in many])
    estimated, truth = found[:, :2].mean(axis=0), found[:, 2:].mean(axis=0)
    assert estimated == pytest.approx(truth, rel=0.1)
    blind = realised(rows(6000, 0))["mae"]
    if shift or b != 0.5:
        assert abs(estimated[0] - truth[0]) < 0.35 * abs(blind - truth[0])


def test_standard_errors_are_those_of_windows():
    off = np.array(
        [result_of(FITTED, w).values["mae"] - realised(w)["mae"] for w in (rows(500, 100 + i) for i in range(80))]
    )
    assert result_of(FITTED, rows(500, 99)).details["standard_error"]["mae"] == pytest.approx(off.std(), rel=0.3)


def test_the_reference_is_estimated_by_models_that_have_not_seen_it():
    found = result_of(FITTED, rows(50, 2)).details["reference"]
    assert found["rows"] == 6000
    assert found["realised"] == pytest.approx(realised(rows(6000, 0)))
    assert found["estimated"] == pytest.approx(found["realised"], rel=0.1)
    assert found["estimated"] != found["realised"]


@pytest.mark.parametrize("seed", range(3))
def test_shards_say_what_one_pass_says(seed, merged):
    window = rows(200, seed)
    whole, split = result_of(FITTED, window), FITTED.result(merged(FITTED, window, seed), CTX)
    assert difference(split.to_json(), whole.to_json(), 1e-11) is None


def test_it_is_saved_without_pickle():
    saved = decode(encode(pack_component(FITTED)))
    again = unpack_component(vedette.make("dle", estimate=BOTH), saved)
    assert result_of(again, rows(100, 3)) == result_of(FITTED, rows(100, 3))


def test_missing_values_new_categories_and_rows_without_prediction():
    window = rows(4, 4).with_inputs(x=numeric([np.nan, np.inf, 1.0, 1e300]), site=category(["c", None, "a", "b"]))
    window = window.replace(prediction=numeric([1.0, np.nan, 2.0, np.inf]))
    result = result_of(FITTED, window)
    assert (result.n, result.details["left_out"]) == (2, 2)
    nothing = result_of(FITTED, rows(3, 5).take([]))
    assert (nothing.status, nothing.values) == ("insufficient", {"mae": None, "rmse": None})


def test_a_model_without_errors_has_none():
    batch = rows(200, 6)
    batch = batch.replace(labels=batch.prediction)
    assert result_of(vedette.make("dle").fit(batch), batch).values["mae"] == pytest.approx(0.0, abs=1e-6)


def test_what_it_cannot_learn_from_is_named():
    batch = rows(300, 7)
    with pytest.raises(ValueError, match="dle: the reference has no labels; it learns from labels and predictions"):
        vedette.make("dle").fit(batch.replace(labels=None))
    with pytest.raises(ValueError, match="dle: the reference has no prediction; it learns from labels"):
        vedette.make("dle").fit(batch.replace(prediction=None))
    with pytest.raises(ValueError, match="0 of the reference's 300 rows have a label and a prediction"):
        vedette.make("dle").fit(batch.replace(labels=numeric(np.full(300, np.nan))))
    with pytest.raises(ValueError, match=r"schema\.task is 'binary'; allowed: regression"):
        vedette.make("dle").bind(Schema(task="binary", classes=("a", "b")))
    with pytest.raises(ValueError, match=r"estimate.*mse.*'mae' or 'rmse'"):
        vedette.make("dle", estimate="mse")
    with pytest.raises(ValueError, match="trees is 0; allowed: 1 or more"):
        vedette.make("dle", trees=0)
