"""Saved estimators: those of scikit-learn come back whole, and no file makes a function run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing
import pytest
import scipy.sparse
import skops.io
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, TweedieRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from vedette.engine.explain.gateway import BadModelUri, make_gateway
from vedette.engine.explain.gateway_local import load_skops
from vedette.engine.fitted import UntrustedState, _load_estimator, _pack, _unpack
from vedette.engine.trust import untrusted
from vedette_specs.batch import Batch
from vedette_specs.columns import numeric
from vedette_specs.schema import Schema

SCHEMA = Schema(features={"a": "numeric", "b": "numeric"}, task="binary", classes=("0", "1"), positive="1")
X = np.random.default_rng(0).normal(size=(80, 2))
Y = (X[:, 0] > 0).astype(int)
ESTIMATORS = [
    IsolationForest(n_estimators=5, random_state=0),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=5, random_state=np.random.RandomState(3))),
    HistGradientBoostingClassifier(max_iter=5),
    HistGradientBoostingRegressor(max_iter=5),
    CalibratedClassifierCV(LogisticRegression(), method="isotonic"),
    CalibratedClassifierCV(RandomForestClassifier(n_estimators=3), method="sigmoid"),
    GradientBoostingClassifier(n_estimators=5),
    GaussianProcessClassifier(),
    KNeighborsClassifier(algorithm="kd_tree"),
    MLPClassifier(max_iter=300, hidden_layer_sizes=(3,), tol=0.1),
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    make_pipeline(FunctionTransformer(np.arctan), TweedieRegressor()),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_estimators_come_back_and_answer_the_same(estimator: Any, tmp_path: Path) -> None:
    estimator.fit(X, Y)
    ask = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    expected = getattr(estimator, ask)(X)
    assert np.array_equal(getattr(_unpack(_pack({"model": estimator}))["model"], ask)(X), expected)
    if ask == "predict_proba":
        skops.io.dump(estimator, tmp_path / "model.skops")
        gateway = make_gateway("model.skops", SCHEMA, base=tmp_path)
        rows = Batch({"a": numeric(X[:, 0]), "b": numeric(X[:, 1])}, SCHEMA)
        assert np.allclose(gateway(rows), expected)


EXPLOITS = {
    "exec of a string": CountVectorizer(analyzer=numpy.testing.measure),
    "a command": CountVectorizer(analyzer=os.system),
    "a download": CountVectorizer(analyzer=datasets.fetch_openml),
    "a file by a class": CountVectorizer(analyzer=np.memmap),
    "a file by a function": CountVectorizer(analyzer=scipy.sparse.load_npz),
    "a method": CountVectorizer(analyzer=CountVectorizer().fit),
    "inside a pipeline": make_pipeline(FunctionTransformer(np.load), LogisticRegression()),
}


@pytest.mark.parametrize("estimator", EXPLOITS.values(), ids=EXPLOITS.keys())
def test_files_that_run_functions_are_refused_before_they_are_loaded(estimator: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(estimator, path)
    with pytest.raises(BadModelUri, match="not trusted"):
        load_skops(path, SCHEMA)
    with pytest.raises(UntrustedState, match="not trusted"):
        _load_estimator(path.read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "numpy.testing._private.utils.measure",
        "numpy.testing._private.utils.KnownFailureException",
        "numpy.f2py.crackfortran.crackfortran",
        "numpy.ctypeslib._ctypeslib.load_library",
        "numpy.memmap",
        "numpy.load",
        "scipy.io.loadmat",
        "scipy.optimize._minimize.minimize",
        "sklearn.base.clone",
        "sklearn.datasets._openml.fetch_openml",
        "sklearn.externals.array_api_compat.numpy.asarray",
        "sklearn.utils.os",
        "sklearn.linear_model.LogisticRegression",  # an alias
        "sklearn.no_such_module.Class",
        "sklearn.base.BaseEstimator.get_params",
        "sklearn.BaseEstimator",
        "sklearnex.svm.SVC",
        "numpyro.handlers.trace",
        "builtins.eval",
        "os.system",
        "sklearn",
        "",
    ],
)
def test_names_outside_the_rule(name: str) -> None:
    assert untrusted([name]) == [name]


def test_names_inside_the_rule() -> None:
    names = [
        "sklearn.tree._tree.Tree",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss.link.LogitLink",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        *(f"{t.__module__}.{t.__qualname__}" for t in (np.dtype, np.ndarray, np.random.Generator, np.random.PCG64)),
        "scipy.sparse._csr.csr_matrix",
        "scipy.sparse._csc.csc_array",
        "scipy.interpolate._interpolate.interp1d",
        "collections.OrderedDict",
    ]
    assert untrusted(names) == []


def test_judging_a_name_imports_no_module_that_holds_no_estimators() -> None:
    names = [
        "numpy.distutils.exec_command.exec_command",
        "sklearn.conftest.raccoon_face_or_skip",
        "this.s",
        "antigravity.x",
    ]
    assert untrusted(names) == names
    assert not {"numpy.distutils", "sklearn.conftest", "this", "antigravity"} & set(sys.modules)
