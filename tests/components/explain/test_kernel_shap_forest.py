"""A random forest on breast cancer, beside exact tree values: METHODS' bars."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from tests.components.explain.shapley import values

from vedette.components.explain.kernel_shap import KernelShap


def tree_shapley(tree, x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Exact interventional Shapley values of one tree: its leaves, told apart by who must be in and who out."""
    t = tree.tree_
    worth = t.value[:, 0, 1] / t.value[:, 0].sum(axis=1)
    x, background = x.astype(np.float32), background.astype(np.float32)
    phi = np.zeros(len(x))
    for row in background:
        stack = [(0, frozenset(), frozenset())]
        while stack:
            node, inside, outside = stack.pop()
            if t.children_left[node] < 0:
                p, q = len(inside), len(outside)
                for i in inside:
                    phi[i] += factorial(p - 1) * factorial(q) / factorial(p + q) * worth[node]
                for i in outside:
                    phi[i] -= factorial(p) * factorial(q - 1) / factorial(p + q) * worth[node]
                continue
            j = int(t.feature[node])
            own, other = (
                t.children_left[node] if v[j] <= t.threshold[node] else t.children_right[node] for v in (x, row)
            )
            if own == other:
                stack.append((own, inside, outside))
            else:
                if j not in outside:
                    stack.append((own, inside | {j}, outside))
                if j not in inside:
                    stack.append((other, inside, outside | {j}))
    return phi / len(background)


@pytest.fixture(scope="module")
def forest():
    rows, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    train, test = order[:400], order[400:]
    model = RandomForestClassifier(100, random_state=0).fit(rows[train], labels[train])
    explainer = KernelShap(background=50).fit(rows[train])
    background = explainer.background_.matrix()
    cases = rows[test[:6]]
    truth = np.array([np.mean([tree_shapley(t, x, background) for t in model.estimators_], axis=0) for x in cases])
    return explainer, lambda r: model.predict_proba(r)[:, 1], cases, truth


def relative_error(forest, max_rows: int, seeds: int) -> float:
    explainer, predict, cases, truth = forest
    found = []
    for seed in range(seeds):
        for x, phi in zip(cases, truth, strict=True):
            (one,) = explainer.explain(x[None], predict, max_rows=max_rows, random_state=seed)
            found.append(np.linalg.norm(values(one) - phi) / np.linalg.norm(phi))
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("coalitions", "bar"),
    [
        (64, 0.07),
        pytest.param(256, 0.03, marks=pytest.mark.slow),
        pytest.param(1024, 0.012, marks=pytest.mark.slow),
    ],
)
def test_relative_error_on_a_random_forest(forest, coalitions, bar):
    """At the rows that 64, 256, 1024 coalitions over 50 background rows cost. The best peers: .130, .063, .026."""
    assert relative_error(forest, coalitions * 50, seeds=2) <= bar


@pytest.mark.parametrize(("max_rows", "bar"), [(2000, 0.11), (450, 0.35)])
def test_the_default_budget_and_a_share_of_it_on_a_random_forest(forest, max_rows, bar):
    assert relative_error(forest, max_rows, seeds=3) <= bar


@pytest.mark.parametrize("max_rows", [450, 900, 2000, 12_800])
def test_error_bars_on_a_random_forest(forest, max_rows):
    explainer, predict, cases, truth = forest
    errors, claimed = [], []
    for seed in range(4 if max_rows < 10_000 else 1):
        for x, phi in zip(cases, truth, strict=True):
            (one,) = explainer.explain(x[None], predict, max_rows=max_rows, random_state=seed)
            errors.append(values(one) - phi)
            claimed.append(values(one, what="standard_error"))
    ratio = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(claimed)))
    assert 0.3 < ratio < 1.3
