"""pca against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA as SkPCA
from sklearn.preprocessing import StandardScaler

from vedette.components.drift.ks import KS
from vedette.components.preprocess.pca import PCA
from vedette_specs import Batch, category, numeric, tensor
from vedette_specs.codec import decode, encode


def correlated(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(n, 6)) + 5.0


@pytest.mark.parametrize("scale", [True, False])
def test_scores_are_scikit_learns_up_to_sign(scale):
    x, rows = correlated(200), correlated(40, seed=1)
    fitted = PCA(components=3, scale=scale).fit(x)
    scaler = StandardScaler(with_std=scale).fit(x)
    theirs = SkPCA(3).fit(scaler.transform(x))
    expected = theirs.transform(scaler.transform(rows))
    ours = fitted.transform(rows).matrix(["pc0", "pc1", "pc2"])
    signs = np.sign((ours * expected).sum(axis=0))
    assert ours == pytest.approx(expected * signs, rel=1e-8, abs=1e-8)
    assert fitted.explained_variance_ratio_ == pytest.approx(theirs.explained_variance_ratio_, rel=1e-9)


def test_signs_are_fixed():
    components = PCA(components=6).fit(correlated(100)).components_
    assert (components[np.arange(6), np.abs(components).argmax(axis=1)] > 0).all()


def test_embeddings_and_images_become_columns_that_drift_tests_read():
    rng = np.random.default_rng(2)

    def batch(n: int, shift: float) -> Batch:
        return Batch(
            {
                "vector": tensor("embedding", rng.normal(size=(n, 8)) + shift),
                "image": tensor("image", rng.normal(size=(n, 2, 2))),
                "c": category(["a"] * n),
            }
        )

    reference = batch(500, 0.0)
    pca = PCA(components=12, scale=False).fit(reference)
    out = pca.transform(reference)
    assert list(out.inputs) == ["c", *(f"pc{i}" for i in range(12))]
    assert out.schema.features["pc0"] == "numeric"
    ks = KS().fit(out)
    assert ks.test(pca.transform(batch(400, 0.0))).drifted is False
    assert ks.test(pca.transform(batch(400, 0.5))).drifted is True


def test_a_change_of_correlation_that_no_column_shows_is_seen():
    rng = np.random.default_rng(3)
    strong, weak = np.array([[1, 0.9], [0.9, 1]]), np.array([[1, 0.0], [0.0, 1]])
    x, y = (rng.multivariate_normal([0, 0], cov, 2000) for cov in (strong, weak))
    assert KS().fit(x).test(y).drifted is False
    pca = PCA(components=2).fit(x)
    assert KS().fit(pca.transform(x)).test(pca.transform(y)).drifted is True


def test_missing_values_count_as_the_mean_and_empty_rows_are_missing():
    x = correlated(100)
    fitted = PCA(components=2).fit(x)
    rows = np.array([x[0], x[0], np.full(6, np.nan)])
    rows[1, 2] = np.nan
    filled = rows[1].copy()
    filled[2] = fitted.mean_[2]
    out = fitted.transform(rows).matrix()
    assert out[1] == pytest.approx(fitted.transform(filled[None, :]).matrix()[0])
    assert np.isnan(out[2]).all()
    assert np.isfinite(out[:2]).all()


def test_a_row_does_not_depend_on_its_neighbours():
    x = correlated(300)
    fitted = PCA(components=4).fit(x)
    whole = fitted.transform(x).matrix()
    single = np.vstack([fitted.transform(x[i : i + 1]).matrix() for i in range(0, 300, 50)])
    assert np.array_equal(whole[::50], single)


def test_more_components_than_directions():
    assert len(PCA(components=50).fit(correlated(100)).components_) == 6
    assert len(PCA(components=50).fit(correlated(4)).components_) == 4


def test_fitted_state_survives_bytes():
    x = correlated(50)
    fitted = PCA(components=2).fit(x)
    again = PCA(components=2).from_state(decode(encode(fitted.to_state())))
    assert again.transform(x).to_bytes() == fitted.transform(x).to_bytes()


def test_empty_batches_and_errors():
    fitted = PCA(components=1).fit(Batch({"x": numeric([1.0, 2.0]), "e": tensor("embedding", np.ones((2, 3)))}))
    assert len(fitted.transform_batch(Batch({"x": numeric([]), "e": tensor("embedding", np.ones((0, 3)))}))) == 0
    with pytest.raises(ValueError, match="have 3 values a row; the reference has 4"):
        fitted.transform(Batch({"x": numeric([1.0]), "e": tensor("embedding", np.ones((1, 2)))}))
    with pytest.raises(ValueError, match="no column of kind"):
        PCA().fit(Batch({"c": category(["a"])}))
    with pytest.raises(ValueError, match="components is 0"):
        PCA(components=0)
    clash = Batch({"x": numeric([1.0, 2.0]), "pc0": category(["a", "b"])})
    with pytest.raises(ValueError, match="'pc0'"):
        PCA(columns=["x"]).fit(clash).transform(clash)
