"""What a saved estimator may refer to, beyond what skops itself trusts: classes that hold values, never functions.

A trusted name is imported, its class made with any state, and may be called by an estimator with any argument. So the
rule is a list: scikit-learn's estimators, the helpers that fitted ones hold, and value types of numpy and scipy.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

# of scikit-learn: these classes and their subclasses in sklearn.*
SKLEARN_BASES = frozenset(
    {
        "sklearn.base.BaseEstimator",
        "sklearn.tree._tree.Tree",
        "sklearn.tree._criterion.Criterion",
        "sklearn.tree._splitter.Splitter",
        "sklearn._loss._loss.CyLossFunction",
        "sklearn._loss.link.BaseLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.loss.BaseLoss",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.gaussian_process.kernels.Kernel",
        "sklearn.metrics._dist_metrics.DistanceMetric",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.BaseCrossValidator",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.BaseOptimizer",
        "sklearn.utils._bunch.Bunch",
    }
)
# parts of a module's path that hold no estimators: they are not even imported
REFUSED_PARTS = frozenset(
    {"conftest", "ctypeslib", "datasets", "distutils", "experimental", "externals", "f2py", "testing", "tests"}
)


def untrusted(names: Iterable[str]) -> list[str]:
    """Of the names that skops asks to be vouched for, those that the rule does not allow."""
    return [name for name in names if name not in _value_types() and not _is_sklearn_class(name)]


def _is_sklearn_class(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    parts = module.split(".")
    if parts[0] != "sklearn" or REFUSED_PARTS & set(parts):
        return False
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError:
        return False
    # by its own name: skops asks for that one, and an alias could be of any other package
    return isinstance(found, type) and _name(found) == name and any(_name(c) in SKLEARN_BASES for c in found.__mro__)


@cache
def _value_types() -> frozenset[str]:
    """Exact names, no subclasses: numpy.memmap is an array that opens the file it is called with."""
    import numpy as np
    from scipy import interpolate, sparse

    random = np.random
    generators = [random.MT19937, random.PCG64, random.PCG64DXSM, random.Philox, random.SFC64, random.SeedSequence]
    formats = [kind for kind in vars(sparse).values() if isinstance(kind, type) and sparse.sparray in kind.__mro__]
    formats += [kind for kind in vars(sparse).values() if isinstance(kind, type) and sparse.spmatrix in kind.__mro__]
    types: list[type] = [
        np.ndarray, np.ma.MaskedArray, np.dtype, *{type(np.dtype(code)) for code in np.typecodes["All"]},
        random.RandomState, random.Generator, *generators, *formats,
        interpolate.interp1d, interpolate.BSpline, interpolate.PPoly,
    ]  # fmt: skip
    return frozenset({"collections.OrderedDict", *map(_name, types)})


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
