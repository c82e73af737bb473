"""standardise against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from vedette.components.preprocess.standardise import Standardise
from vedette_specs import Batch, category, numeric
from vedette_specs.codec import decode, encode


def test_is_scikit_learns_scaler_with_missing_values():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, size=(300, 4)) * [1, 1e-6, 1e6, 1]
    x[rng.random(x.shape) < 0.1] = np.nan
    rows = rng.normal(size=(50, 4))
    ours = Standardise().fit(x).transform(rows).matrix()
    assert ours == pytest.approx(StandardScaler().fit(x).transform(rows), rel=1e-9)
    own = Standardise().fit(x).transform(x).matrix()
    assert np.isnan(own).tolist() == np.isnan(x).tolist()
    assert np.nanmean(own, axis=0) == pytest.approx(0, abs=1e-9)
    assert np.nanstd(own, axis=0) == pytest.approx(1)


def test_constant_empty_and_infinite_columns():
    batch = Batch({"k": numeric([0.1] * 7), "gone": numeric([np.nan] * 7), "i": numeric([1, 2, 3, np.inf, 1, 2, 3])})
    fitted = Standardise().fit(batch)
    assert fitted.scale_[:2].tolist() == [1.0, 1.0]
    assert fitted.mean_[1:].tolist() == [0.0, 2.0]
    out = fitted.transform(batch)
    assert out.inputs["k"].values == pytest.approx(0.0, abs=1e-12)
    assert np.isinf(out.inputs["i"].values[3])


def test_other_columns_pass_unchanged_and_the_batch_is_not_touched():
    batch = Batch({"x": numeric([1.0, 3.0]), "y": numeric([1.0, 3.0]), "c": category(["a", "b"])})
    before = batch.to_bytes()
    out = Standardise(columns=["x"]).fit(batch).transform(batch)
    assert out.inputs["x"].values.tolist() == [-1.0, 1.0]
    assert out.inputs["y"] is batch.inputs["y"]
    assert out.inputs["c"] is batch.inputs["c"]
    assert list(out.inputs) == ["x", "y", "c"]
    assert batch.to_bytes() == before


def test_fitted_state_survives_bytes():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 3))
    fitted = Standardise().fit(x)
    again = Standardise().from_state(decode(encode(fitted.to_state())))
    assert again.transform(x).to_bytes() == fitted.transform(x).to_bytes()


def test_empty_batches_and_errors():
    fitted = Standardise().fit(Batch({"x": numeric([1.0, 2.0])}))
    assert len(fitted.transform_batch(Batch({"x": numeric([])}))) == 0
    with pytest.raises(ValueError, match="column 'x' is category"):
        fitted.transform_batch(Batch({"x": category(["a"])}))
    with pytest.raises(ValueError, match="column 'z'"):
        Standardise(columns=["z"]).fit(Batch({"x": numeric([1.0])}))
