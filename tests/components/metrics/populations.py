"""Rows of known laws: a model that misses an input, and windows without shift, with one of inputs, or of classes."""

from __future__ import annotations

import numpy as np

from vedette_specs import Batch, Column, Schema, numeric

SCHEMA = Schema({f"x{i}": "numeric" for i in range(3)}, "binary", ("no", "yes"), "yes", label="y")


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def scores(x: np.ndarray) -> np.ndarray:
    """(n,) what the model says: overconfident, and blind for x2."""
    return sigmoid(1.8 * x[:, 0] + 0.9 * x[:, 1] + 0.3)


def truth(x: np.ndarray) -> np.ndarray:
    """(n,) probability of "yes"."""
    return sigmoid(1.2 * x[:, 0] + x[:, 2] + 0.6 * x[:, 1] - 0.2)


def batch_of(x: np.ndarray, y: np.ndarray, schema: Schema = SCHEMA) -> Batch:
    p = scores(x)
    inputs = {f"x{i}": numeric(x[:, i]) for i in range(x.shape[1])}
    labels = Column("category", np.asarray(y, dtype=np.int32), schema.classes)
    return Batch(inputs, schema, probabilities=np.column_stack([1.0 - p, p]), labels=labels)


def inputs_shifted(rng: np.random.Generator, n: int, shift: float = 0.0) -> Batch:
    """x2, which the model does not see, moves by `shift` standard deviations."""
    x = rng.normal(size=(n, 3)) + np.array([0.0, 0.0, shift])
    return batch_of(x, rng.random(n) < truth(x))


def classes_shifted(rng: np.random.Generator, n: int, share: float) -> Batch:
    """Rows of either class as ever; a share of them is "yes"."""
    x = rng.normal(size=(12 * n, 3))
    y = rng.random(len(x)) < truth(x)
    yes = int(rng.binomial(n, share))
    chosen = rng.permutation(np.concatenate([np.flatnonzero(y)[:yes], np.flatnonzero(~y)[: n - yes]]))
    return batch_of(x[chosen], y[chosen])


def three_classes(rng: np.random.Generator, n: int, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Batch:
    """Normal inputs around a mean per class; probabilities that are right where all classes are alike frequent.

    weights: of the classes, up to a factor.
    """
    means = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])
    y = rng.choice(3, size=n, p=np.array(weights) / sum(weights))
    x = means[y] + rng.normal(size=(n, 2))
    p = np.exp(-0.5 * ((x[:, None, :] - means) ** 2).sum(axis=2))
    schema = Schema({"x0": "numeric", "x1": "numeric"}, "multiclass", ("a", "b", "c"), label="y")
    labels = Column("category", y.astype(np.int32), schema.classes)
    p /= p.sum(axis=1, keepdims=True)
    return Batch({f"x{i}": numeric(x[:, i]) for i in range(2)}, schema, probabilities=p, labels=labels)
