"""Expected counts of labels against predictions, and what they say of a model's performance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._confusion import mean_of_known, ratios
from vedette_specs import Floats, Schema
from vedette_specs.results import Value

Estimate = Literal["accuracy", "precision", "recall", "f1", "roc_auc", "confusion_matrix"]
ESTIMATES: tuple[Estimate, ...] = get_args(Estimate)
Codes = NDArray[Any]  # (n,) integers
Sums = dict[str, Floats]
Named = dict[str, Value]
_NOTHING = 1e-9  # rounding of a difference of sums that is zero


def expect(
    c: Floats,
    predicted: Codes,
    looked_at: Sequence[int],
    places: Codes | None,
    bins: int,
    counts: Floats | None = None,
) -> Sums:
    """What all estimates are made of; the sums of two sets of rows add up to those of both.

    c: (n, k) probability of each class.  predicted: (n,) codes.  counts: (n,) how many rows each one stands for.
    places: (len(looked_at), n) bin of each row's score, increasing with it; None where no ranking is asked for.

    confusion: (k, k) expected rows by label and prediction.
    noise: (k,) by prediction: variance of the number of right rows among them.
    scores: (len(looked_at), 3, bins) rows, sum of c, sum of c^2.
    """
    n, k = c.shape
    weights = np.ones(n) if counts is None else counts
    own = c[np.arange(n), predicted]
    sums: Sums = {
        "confusion": np.stack([_summed(predicted, weights * c[:, j], k) for j in range(k)]),
        "noise": _summed(predicted, weights * own * (1.0 - own), k),
    }
    if places is not None:
        powers = [(place, c[:, j] ** power) for place, j in zip(places, looked_at, strict=True) for power in range(3)]
        found = [_summed(place, weights * power, bins) for place, power in powers]
        sums["scores"] = np.array(found).reshape(len(looked_at), 3, bins)
    return sums


def _summed(codes: Codes, weights: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(codes, weights, size), dtype=np.float64)


def estimates(sums: Sums, wanted: Sequence[Estimate], schema: Schema) -> Named:
    """The named values, None where one is not known. Of two classes the positive one's, of more the mean (macro)."""
    return {name: _value(name, sums, schema) for name in wanted}


def standard_errors(sums: Sums, wanted: Sequence[Estimate], schema: Schema) -> Named:
    """Standard deviations of the realised values around the estimates if the probabilities hold: labels drawn at
    random for the rows as they are, by the delta method. None where it is not known."""
    return {name: _error(name, sums, schema) for name in wanted}


def with_reference(errors: Named, reference: Named, rows: float) -> Named:
    """`errors` with the chance of the labels that the calibration stands on added: both are as large as if the other
    set of rows were given.  rows: of the window, for one of the reference (counts grow with them)."""
    return {name: _both(error, reference[name], rows) for name, error in errors.items()}


def _both(error: Value, other: Value, rows: float) -> Value:
    if isinstance(error, Mapping) and isinstance(other, Mapping):
        cells = {name: (one, other[name]) for name, one in error.items()}
        return {name: None if a is None or b is None else math.hypot(a, b * rows) for name, (a, b) in cells.items()}
    if isinstance(error, float) and isinstance(other, float):
        return math.hypot(error, other)
    return None


def area_bound(sums: Sums) -> float | None:
    """How far the binned area is at most from that of the rows (the mean over the classes that have one)."""
    bounds = [pair[1] for pair in map(expected_area, sums["scores"]) if pair is not None]
    return float(np.mean(bounds)) if bounds else None


def expected_area(scores: Floats) -> tuple[float, float] | None:
    """Expected area under the ROC curve from (3, bins) sums, and its bound; None where one side has no rows.

    ``sum_{i != j} c_i (1 - c_j) ([s_i > s_j] + [same bin] / 2)`` over ``sum_{i != j} c_i (1 - c_j)``: no row is
    both of a pair. The order within a bin is unknown: bound = (its pairs) / (2 pairs).
    """
    positive, negative, noise, below = _score_parts(scores)
    pairs = float(positive.sum() * negative.sum() - noise.sum())
    if pairs <= _NOTHING:
        return None
    ties = float(positive @ negative - noise.sum())
    return (float(positive @ below) + ties / 2.0) / pairs, max(ties, 0.0) / (2.0 * pairs)


def _score_parts(scores: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(bins,) each: expected positives, expected negatives, their variance, expected negatives in lower bins."""
    rows, positive, squares = scores
    negative = rows - positive
    return positive, negative, positive - squares, np.cumsum(negative) - negative


def _value(name: Estimate, sums: Sums, schema: Schema) -> Value:
    matrix = sums["confusion"]
    total = float(matrix.sum())
    if name == "confusion_matrix":
        return _cells(matrix if total > 0.0 else np.full(matrix.shape, np.nan), schema)
    if name == "accuracy":
        return float(np.trace(matrix)) / total if total > 0.0 else None
    if name == "roc_auc":
        areas = [pair[0] for pair in map(expected_area, sums["scores"]) if pair is not None]
        return float(np.mean(areas)) if areas else None
    right, answered, labelled = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    top = 2.0 * right if name == "f1" else right
    bottom = {"precision": answered, "recall": labelled, "f1": answered + labelled}[name]
    return _of_classes(ratios(top, bottom), schema)


def _of_classes(rates: Floats, schema: Schema) -> float | None:
    return mean_of_known(rates[[schema.positive_index]] if len(rates) == 2 else rates)


def _cells(matrix: Floats, schema: Schema) -> dict[str, float | None]:
    """`label -> prediction` as in the metric `confusion_matrix`."""
    names = [f"{label} -> {answer}" for label in schema.classes for answer in schema.classes]
    return {n: None if x != x else x for n, x in zip(names, matrix.ravel().tolist(), strict=True)}


def _error(name: Estimate, sums: Sums, schema: Schema) -> Value:
    matrix, noise = sums["confusion"], sums["noise"]
    total = float(matrix.sum())
    two = len(noise) == 2
    if name == "confusion_matrix":
        whole = np.sqrt(np.tile(noise, (2, 1))) if two and total > 0.0 else np.full(matrix.shape, np.nan)
        return _cells(whole, schema)
    if total <= 0.0:
        return None
    if name == "accuracy":
        return math.sqrt(max(float(noise.sum()), 0.0)) / total
    if name == "precision":
        parts = ratios(noise, matrix.sum(axis=0) ** 2)
        known = parts[[schema.positive_index]] if two else parts[~np.isnan(parts)]
        return math.sqrt(float(known.sum())) / len(known) if len(known) and not np.isnan(known).any() else None
    if not two:
        return None  # classes share rows: their covariances are not kept
    return _area_error(sums["scores"][0]) if name == "roc_auc" else _rate_error(name, matrix, noise, schema)


def _rate_error(name: Estimate, matrix: Floats, noise: Floats, schema: Schema) -> float | None:
    """Of recall or F1 of two classes, from the variances of true positives and of false negatives."""
    yes = schema.positive_index
    hits, missed = float(matrix[yes, yes]), float(matrix[yes, 1 - yes])
    bottom = hits + missed if name == "recall" else float(matrix[:, yes].sum()) + hits + missed
    if bottom <= 0.0:
        return None
    scale = 1.0 if name == "recall" else 2.0
    of_hit, of_missed = scale * (bottom - hits) / bottom**2, scale * hits / bottom**2
    return math.sqrt(max(of_hit**2 * float(noise[yes]) + of_missed**2 * float(noise[1 - yes]), 0.0))


def _area_error(scores: Floats) -> float | None:
    """From the change of the area when one row's label turns, to first order."""
    found = expected_area(scores)
    positive, negative, noise, below = _score_parts(scores)
    pairs = float(positive.sum() * negative.sum())
    if found is None or pairs <= 0.0:
        return None
    above = positive.sum() - np.cumsum(positive)
    turned = below + negative / 2.0 - above - positive / 2.0 - found[0] * (negative.sum() - positive.sum())
    return math.sqrt(max(float(turned**2 @ noise), 0.0)) / pairs
