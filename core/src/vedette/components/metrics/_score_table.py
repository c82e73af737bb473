"""Rows of two classes by prediction and score, in bounded space: enough to give them other probabilities later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.components.metrics._expected import Codes
from vedette_specs import Floats


@dataclass(frozen=True)
class Cells:
    """Kinds of rows: (m, classes) probabilities, (m,) predicted codes, (m,) how many rows each stands for."""

    p: Floats
    predicted: Codes
    counts: Floats


def count_scores(positive: Floats, predicted: Codes, places: Codes, bins: int) -> Floats:
    """(2, 2, bins): rows and the sum of their positive probabilities, by predicted code and bin."""
    cell = predicted * bins + places
    return np.stack([np.bincount(cell, w, 2 * bins).reshape(2, bins) for w in (np.ones(len(cell)), positive)])


def table_cells(table: Floats, positive_index: int) -> Cells:
    """The cells that have rows, each at its mean probability."""
    predicted, place = np.nonzero(table[0])
    counts = table[0][predicted, place]
    mean = np.clip(table[1][predicted, place] / counts, 0.0, 1.0)
    pair = (mean, 1.0 - mean) if positive_index == 0 else (1.0 - mean, mean)
    return Cells(np.column_stack(pair), predicted, counts)
