"""How people use the window tests: what they hand in, and what they get back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vedette.components.drift.chi2 import Chi2
from vedette.components.drift.ks import KS
from vedette.components.drift.tabular import Tabular
from vedette.components.preprocess.standardise import Standardise
from vedette_specs import Batch, category, numeric


def frame(rng: np.random.Generator, n: int, shift: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"age": rng.normal(40 + shift, 10, n), "work": rng.choice(["x", "y"], n)})


def test_frames_dicts_tables_and_batches_are_the_same():
    rng = np.random.default_rng(0)
    reference, window = frame(rng, 500), frame(rng, 200, shift=5)
    detector = Tabular().fit(reference)
    verdict = detector.test(window)
    assert verdict.drifted
    as_dict = {k: window[k].tolist() for k in window}
    batch = Batch({"age": numeric(window["age"]), "work": category(window["work"])})
    for same in (as_dict, pa.Table.from_pandas(window), window.to_dict("records"), batch):
        assert detector.test(same) == verdict
    arrays = KS().fit(reference[["age"]].to_numpy()).test(window[["age"]].to_numpy())
    assert arrays.features[0].p_value == verdict.features[0].p_value


@pytest.mark.parametrize("make", [KS, Chi2, Tabular])
def test_verdicts_are_json_and_always_have_the_named_values(make):
    rng = np.random.default_rng(1)
    detector = make().fit(frame(rng, 300))
    for n in (0, 100):
        body = json.loads(json.dumps(detector.test(frame(rng, n)).to_json(), allow_nan=False))
        assert {"drifted", "p_value", "features_drifted", "statistic", "feature_p_value", "effect"} <= set(
            body["values"]
        )
        assert body["status"] == ("ok" if n else "insufficient")
        assert (body["values"]["drifted"] is None) == (n == 0)
        assert body["correction"] == "bh"
        assert all({"feature", "test", "p_value", "effect", "n", "n_reference"} <= set(f) for f in body["features"])


@pytest.mark.parametrize("make", [KS, Chi2, Tabular])
def test_a_column_missing_from_the_rows_is_named(make):
    rng = np.random.default_rng(2)
    detector = make().fit(frame(rng, 100))
    with pytest.raises(ValueError, match=r"age|work"):
        detector.test(pd.DataFrame({"other": [1.0]}))


@pytest.mark.parametrize("make", [KS, Chi2, Tabular])
def test_the_same_rows_never_drift(make):
    rng = np.random.default_rng(3)
    reference = frame(rng, 400)
    verdict = make(alpha=0.5).fit(reference).test(reference)
    assert verdict.drifted is False
    assert verdict.p_value == pytest.approx(1.0)
    assert all(f.effect == 0 for f in verdict.features)


def test_the_order_of_columns_and_rows_does_not_matter():
    rng = np.random.default_rng(4)
    detector = Tabular().fit(frame(rng, 400))
    window = frame(rng, 200, shift=1)
    turned = window.sample(frac=1.0, random_state=0)[["work", "age"]]
    assert detector.test(turned) == detector.test(window)


def test_ks_does_not_change_under_monotone_transformations():
    rng = np.random.default_rng(5)
    reference, window = rng.normal(size=(800, 2)), rng.normal(0.2, 1, size=(300, 2))
    plain = KS().fit(reference).test(window)
    standard = Standardise().fit(reference)
    for change in (np.exp, lambda x: standard.transform(x).matrix()):
        changed = KS().fit(change(reference)).test(change(window))
        assert [f.statistic for f in changed.features] == pytest.approx([f.statistic for f in plain.features])
        assert [f.p_value for f in changed.features] == pytest.approx([f.p_value for f in plain.features])


def test_superiority_says_which_way():
    rng = np.random.default_rng(6)
    ks = KS().fit(rng.normal(size=(1000, 1)))
    up, down, wide = (ks.test(rng.normal(m, s, size=(500, 1))) for m, s in ((0.5, 1), (-0.5, 1), (0, 3)))
    assert up.details["superiority"]["x0"] > 0.6
    assert down.details["superiority"]["x0"] < 0.4
    assert wide.drifted
    assert abs(wide.details["superiority"]["x0"] - 0.5) < 0.06


def test_labels_and_predictions_are_columns_like_all_others():
    # what the engine hands a monitor `of: prediction`
    rng = np.random.default_rng(7)

    def answers(n: int, yes: float) -> Batch:
        return Batch({"prediction": category(np.where(rng.random(n) < yes, "yes", "no").tolist())})

    detector = Tabular().fit(answers(2000, 0.2))
    assert detector.test(answers(500, 0.2)).drifted is False
    assert detector.test(answers(500, 0.35)).drifted is True
