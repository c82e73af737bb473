"""Metrics of labels beside what scikit-learn, or a plain loop, says of the same rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics as sk

import vedette
from vedette_specs import Batch, Metric, Schema, category, numeric

BINARY = Schema(task="binary", classes=("no", "yes"), positive="yes")
FOUR = Schema(task="multiclass", classes=("a", "b", "c", "d"))
NUMBERS = Schema(task="regression")
SCHEMAS = {"binary": BINARY, "multiclass": FOUR, "regression": NUMBERS}


@dataclass(frozen=True)
class Known:
    """The rows that a metric judges. y, z: texts, or numbers for regression.  p: (n, classes).  w: weights or None."""

    schema: Schema
    y: np.ndarray
    z: np.ndarray
    p: np.ndarray
    w: np.ndarray | None

    @property
    def codes(self) -> np.ndarray:
        return np.array([self.schema.classes.index(item) for item in self.y], dtype=int)


Oracle = Callable[[Known], Any]  # what is NaN or raises in scikit-learn is None here


@dataclass(frozen=True)
class Case:
    """A metric's value and its oracle. bounded: `details.bound` says how far apart they may be."""

    use: str
    options: dict[str, Any]
    tasks: tuple[str, ...]
    oracle: Oracle
    value: str = ""
    bounded: bool = False

    def metric(self, weighed: bool) -> Metric:
        return vedette.make(self.use, **self.options, **({"weight": "w"} if weighed else {}))

    @property
    def name(self) -> str:
        return "-".join([self.use, *(f"{k}={v}" for k, v in self.options.items()), self.value]).strip("-")


def draw(
    task: str, n: int, seed: int, missing: float, ties: bool = False, only: int | None = None
) -> tuple[Batch, Known, np.ndarray]:
    """(a batch, (its rows that can be judged without weights, their positions)). only: the one class of all labels."""
    rng = np.random.default_rng((seed, n))
    schema = SCHEMAS[task]
    w = np.round(rng.exponential(size=n), 1 if ties else 12)  # a weight of 0 among the ties
    gone_y, gone_z = rng.random((2, n)) < missing
    if task == "regression":
        y = np.where(rng.random(n) < 0.5, 1.0, -1.0) * rng.uniform(0.5, 9.0, n)
        z = y + rng.normal(size=n)
        if ties:
            y, z = np.where(np.round(y) == 0.0, 1.0, np.round(y)), np.round(z)
        batch = Batch({"w": numeric(w)}, schema, prediction=numeric(np.where(gone_z, np.nan, z)),
                      labels=numeric(np.where(gone_y, np.nan, y)))  # fmt: skip
        kept = np.flatnonzero(~gone_y & ~gone_z)
        return batch, Known(schema, y[kept], z[kept], np.empty((len(kept), 0)), w[kept]), kept
    k = len(schema.classes)
    truth = rng.integers(0, k, n) if only is None else np.full(n, only)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[truth]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if ties:  # multiples of 1/8 that still sum to one
        p = np.floor(p * 8.0) / 8.0
        p[:, -1] += 1.0 - p.sum(axis=1)
    answer = p.argmax(axis=1)
    p_known = np.where(gone_z[:, None], np.nan, p)
    y, z = np.array(schema.classes)[truth], np.array(schema.classes)[answer]
    batch = Batch(
        {"w": numeric(w)}, schema, probabilities=p_known,
        prediction=category([None if g else item for g, item in zip(gone_z, z, strict=True)], schema.classes),
        labels=category([None if g else item for g, item in zip(gone_y, y, strict=True)], schema.classes),
    )  # fmt: skip
    kept = np.flatnonzero(~gone_y & ~gone_z)
    return batch, Known(schema, y[kept], z[kept], p[kept], w[kept]), kept


def _quiet(function: Oracle) -> Oracle:
    """NaN, warnings of what is not defined, and no rows at all are None."""

    def ask(rows: Known) -> Any:
        if len(rows.y) == 0 or (rows.w is not None and rows.w.sum() == 0.0):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function(rows)
        if isinstance(found, dict):
            return {key: None if math.isnan(item) else float(item) for key, item in found.items()}
        return None if found is None or math.isnan(found) else float(found)

    return ask


def _rate(function: Callable[..., Any], average: str | None, **extra: Any) -> Oracle:
    def ask(rows: Known) -> Any:
        names = np.array(rows.schema.classes)
        options = dict(labels=list(names), sample_weight=rows.w, zero_division=np.nan, **extra)
        if average == "binary":
            options |= {"labels": None, "pos_label": "yes"}
        if average == "by_class":
            found = function(rows.y, rows.z, average=None, **options)
            return dict(zip(rows.schema.classes, found.tolist(), strict=True))
        if average == "weighted":
            each = function(rows.y, rows.z, average=None, **options)
            if not np.isin(rows.y[slice(None) if rows.w is None else rows.w > 0], names[~np.isnan(each)]).any():
                return None  # scikit-learn takes the plain mean where no class that has a rate has labels
        return function(rows.y, rows.z, average=average, **options)

    return _quiet(ask)


def _specificity(rows: Known) -> Any:
    """The recall of "not this class"."""
    rates = [
        sk.recall_score(rows.y != c, rows.z != c, sample_weight=rows.w, zero_division=np.nan)
        for c in rows.schema.classes
    ]
    return rates[1] if len(rates) == 2 else np.nanmean(rates)


def _specificity_micro(rows: Known) -> Any:
    w = np.ones(len(rows.y)) if rows.w is None else rows.w
    top = sum(w[(rows.y != c) & (rows.z != c)].sum() for c in rows.schema.classes)
    bottom = sum(w[rows.y != c].sum() for c in rows.schema.classes)
    return top / bottom if bottom else None


def _mcc(rows: Known) -> Any:
    heavy = np.ones(len(rows.y), dtype=bool) if rows.w is None else rows.w > 0
    if len(set(rows.y[heavy])) < 2 or len(set(rows.z[heavy])) < 2:
        return None  # 0 in scikit-learn: not defined
    return sk.matthews_corrcoef(rows.y, rows.z, sample_weight=rows.w)


def _kappa(weights: str | None) -> Oracle:
    return _quiet(
        lambda r: sk.cohen_kappa_score(r.y, r.z, labels=list(r.schema.classes), weights=weights, sample_weight=r.w)
    )


def _matrix(rows: Known) -> Any:
    names = list(rows.schema.classes)
    table = sk.confusion_matrix(rows.y, rows.z, labels=names, sample_weight=rows.w)
    return {f"{a} -> {b}": table[i, j] for i, a in enumerate(names) for j, b in enumerate(names)}


def _matrix_shares(rows: Known) -> Any:
    counts = _matrix(rows)
    sums = {a: sum(v for k, v in counts.items() if k.startswith(f"{a} ->")) for a in rows.schema.classes}
    return {k: v / sums[k.split(" ->")[0]] if sums[k.split(" ->")[0]] else math.nan for k, v in counts.items()}


def _one_versus_rest(function: Callable[..., float]) -> Oracle:
    """The positive class's value, or the mean over the classes that have one."""

    def ask(rows: Known) -> Any:
        k = len(rows.schema.classes)
        found = []
        for c in [1] if k == 2 else range(k):
            truth = rows.codes == c
            heavy = truth if rows.w is None else truth[rows.w > 0]
            if heavy.any() and (function is sk.average_precision_score or not heavy.all()):
                found.append(function(truth, rows.p[:, c], sample_weight=rows.w))
        return np.mean(found) if found else None

    return _quiet(ask)


def _brier(rows: Known) -> Any:
    if len(rows.schema.classes) == 2:
        return sk.brier_score_loss(rows.codes, rows.p[:, 1], sample_weight=rows.w, labels=[0, 1], pos_label=1)
    return sk.brier_score_loss(rows.codes, rows.p, sample_weight=rows.w, labels=list(range(len(rows.schema.classes))))


def _top_k(k: int) -> Oracle:
    return _quiet(
        lambda r: sk.top_k_accuracy_score(
            r.codes, r.p, k=k, labels=list(range(len(r.schema.classes))), sample_weight=r.w
        )
    )


def _ece(rows: Known) -> Any:
    """The definition, bin by bin."""
    binary = len(rows.schema.classes) == 2
    p = rows.p[:, 1] if binary else rows.p.max(axis=1)
    hit = (rows.codes == 1) if binary else (rows.p.argmax(axis=1) == rows.codes)
    w = np.ones(len(p)) if rows.w is None else rows.w
    found = 0.0
    for i in range(10):
        inside = (np.floor(p * 10) == i) | ((i == 9) & (p == 1.0))
        if w[inside].sum() > 0:
            mean_p, mean_hit = np.average(p[inside], weights=w[inside]), np.average(hit[inside], weights=w[inside])
            found += w[inside].sum() / w.sum() * abs(mean_p - mean_hit)
    return found


def _gain(at: float) -> Callable[[Known], Any]:
    """Rows sorted by score; those of a score that the cut goes through are taken in proportion."""

    def ask(rows: Known) -> Any:
        w = np.ones(len(rows.y)) if rows.w is None else rows.w
        truth, score = rows.codes == 1, rows.p[:, 1]
        if not w[truth].sum():
            return None
        left, got = at * w.sum(), 0.0
        for value in sorted(set(score), reverse=True):
            here = score == value
            if w[here].sum() == 0.0:
                continue
            share = min(1.0, left / w[here].sum())
            got += share * w[here & truth].sum()
            left -= share * w[here].sum()
            if left <= 0.0:
                break
        return got / w[truth].sum()

    return ask


def _lift(rows: Known) -> Any:
    found = _gain(0.3)(rows)
    return None if found is None else found / 0.3


def _error(function: Callable[..., Any], **extra: Any) -> Oracle:
    return _quiet(lambda r: function(r.y, r.z, sample_weight=r.w, **extra))


def _share(function: Callable[..., Any]) -> Oracle:
    def ask(rows: Known) -> Any:
        heavy = rows.y if rows.w is None else rows.y[rows.w > 0]
        return None if len(set(heavy)) < 2 else function(rows.y, rows.z, sample_weight=rows.w)

    return _quiet(ask)


COSTS = {"no": {"yes": 5.0}, "yes": {"no": 100.0, "yes": -10.0}}


def _cost(rows: Known) -> Any:
    costs = np.array([COSTS[a].get(b, 1.0) for a, b in zip(rows.y, rows.z, strict=True)])
    return np.average(costs, weights=rows.w)


def _reward(rows: Known) -> Any:
    return rows.y.mean()


BOTH = ("binary", "multiclass")
AVERAGES: list[str | None] = ["micro", "macro", "weighted", "by_class"]
CASES = [
    Case("accuracy", {}, BOTH, _quiet(lambda r: sk.accuracy_score(r.y, r.z, sample_weight=r.w))),
    Case(
        "log_loss", {}, BOTH,
        _quiet(lambda r: sk.log_loss(r.codes, r.p, labels=list(range(r.p.shape[1])), sample_weight=r.w)),
    ),
    Case("balanced_accuracy", {}, BOTH, _quiet(lambda r: np.nanmean(
        sk.recall_score(r.y, r.z, labels=list(r.schema.classes), average=None, sample_weight=r.w, zero_division=np.nan)
    ))),
    *(
        Case(use, extra | ({} if average == "binary" else {"average": average}), tasks, _rate(ask, average, **extra))
        for use, ask, extra in [
            ("precision", sk.precision_score, {}),
            ("recall", sk.recall_score, {}),
            ("f1", sk.f1_score, {}),
            ("f_beta", sk.fbeta_score, {"beta": 2.0}),
            ("f_beta", sk.fbeta_score, {"beta": 0.5}),
        ]
        for average, tasks in [("binary", ("binary",)), *((a, BOTH) for a in AVERAGES)]
    ),
    Case("recall", {}, ("multiclass",), _rate(sk.recall_score, "macro")),
    Case("specificity", {}, BOTH, _quiet(_specificity)),
    Case("specificity", {"average": "micro"}, BOTH, _quiet(_specificity_micro)),
    Case("confusion_matrix", {}, BOTH, _quiet(_matrix)),
    Case("confusion_matrix", {"share": "label"}, BOTH, _quiet(_matrix_shares)),
    Case("mcc", {}, BOTH, _quiet(_mcc)),
    Case("kappa", {}, BOTH, _kappa(None)),
    Case("kappa", {"disagreement": "linear"}, BOTH, _kappa("linear")),
    Case("kappa", {"disagreement": "quadratic"}, BOTH, _kappa("quadratic")),
    Case("roc_auc", {}, BOTH, _one_versus_rest(sk.roc_auc_score), bounded=True),
    Case("average_precision", {"bins": 200}, BOTH, _one_versus_rest(sk.average_precision_score), bounded=True),
    Case("gain", {"at": 0.3, "bins": 200}, ("binary",), _quiet(_gain(0.3)), bounded=True),
    Case("lift", {"at": 0.3, "bins": 200}, ("binary",), _quiet(_lift), bounded=True),
    Case("brier", {}, BOTH, _quiet(_brier)),
    Case("calibration_error", {}, BOTH, _quiet(_ece)),
    Case("top_k", {"k": 1}, ("multiclass",), _top_k(1)),
    Case("top_k", {"k": 2}, ("multiclass",), _top_k(2)),
    Case("cost", {"costs": COSTS, "other": 1.0}, ("binary",), _quiet(_cost), value="mean_cost"),
    Case("mae", {}, ("regression",), _error(sk.mean_absolute_error)),
    Case("mse", {}, ("regression",), _error(sk.mean_squared_error)),
    Case("rmse", {}, ("regression",), _error(sk.root_mean_squared_error)),
    Case("mape", {}, ("regression",), _error(sk.mean_absolute_percentage_error)),
    Case("pinball", {"q": 0.9}, ("regression",), _error(sk.mean_pinball_loss, alpha=0.9)),
    Case("r2", {}, ("regression",), _share(sk.r2_score)),
    Case("explained_variance", {}, ("regression",), _share(sk.explained_variance_score)),
]  # fmt: skip
