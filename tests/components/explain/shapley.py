"""What Shapley values are, and a function to ask for them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np

from vedette_specs import Explanation


def values(explanation: Explanation, output: str = "output", what: str = "shap_values") -> np.ndarray:
    return np.array([np.nan if v is None else v for v in explanation.data[what][output].values()])


def adds_up(explanation: Explanation) -> bool:
    data = explanation.data
    return all(
        abs(data["expected_value"][output] + sum(phi.values()) - data["raw"]["raw_prediction"][output]) < 1e-10
        for output, phi in data["shap_values"].items()
    )


def brute_force(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley's formula over all coalitions."""
    d = len(x)

    def worth(coalition: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(coalition)] = x[list(coalition)]
        return float(f(rows).mean())

    phi = np.zeros(d)
    for i in range(d):
        others = [j for j in range(d) if j != i]
        for size in range(d):
            for coalition in combinations(others, size):
                weight = factorial(size) * factorial(d - size - 1) / factorial(d)
                phi[i] += weight * (worth(tuple(sorted((*coalition, i)))) - worth(coalition))
    return phi


def rough(rows: np.ndarray) -> np.ndarray:
    """A function with interactions of every order."""
    return np.sin(rows[:, 0] * rows[:, 1]) + np.exp(rows[:, 2] / 2) * rows[:, 3] + rows.prod(axis=1)


ROWS = np.random.default_rng(0).normal(size=(400, 4))
