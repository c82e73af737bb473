"""The model that the suite has served everywhere: three numbers in, one of two classes out, in pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FEATURES = ("a", "b", "c")
CLASSES = ("no", "yes")
Floats = np.ndarray[Any, np.dtype[np.float64]]


def probabilities(matrix: Any) -> Floats:
    """(n, 2) probabilities of the classes for (n, 3) features; a missing c counts as zero."""
    rows = np.ascontiguousarray(np.asarray(matrix, dtype=np.float64).reshape(-1, len(FEATURES)))
    chance = 1.0 / (1.0 + np.exp(-(rows[:, 0] + 0.5 * rows[:, 1] + 0.25 * np.nan_to_num(rows[:, 2]))))
    return np.column_stack([1.0 - chance, chance])


def classes(chances: Floats) -> list[str]:
    """The likelier class of each row."""
    return [CLASSES[int(row[1] >= 0.5)] for row in chances]


def answer(records: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """{"predictions": [...], "probabilities": [[no, yes], ...]} for rows as mappings.

    Raises KeyError, TypeError or ValueError for what are no rows.
    """
    rows = [[_number(record[name]) for name in FEATURES] for record in records]
    chances = probabilities(np.array(rows, dtype=np.float64))
    return {"predictions": classes(chances), "probabilities": chances.tolist()}


def predict(frame: Any) -> Floats:
    """(n, 2) probabilities for a DataFrame: `vedette serve --model vedette.testing.platforms.model:predict`."""
    return probabilities(frame[list(FEATURES)].to_numpy(dtype=np.float64))


def make_rows(count: int, seed: int, shift: float = 0.0) -> list[dict[str, float | None]]:
    """Rows as clients send them; one in fifty lacks `c`. shift: of all means, in standard deviations."""
    rng = np.random.default_rng(seed)
    values = rng.normal(loc=shift, size=(count, len(FEATURES))).round(6)
    lacking = rng.random(count) < 0.02
    return [
        {"a": float(a), "b": float(b), "c": None if gone else float(c)}
        for (a, b, c), gone in zip(values, lacking, strict=True)
    ]


def make_labels(rows: Sequence[Mapping[str, float | None]], seed: int) -> list[str]:
    """Labels drawn from the model's own probabilities."""
    chance = np.asarray(answer(rows)["probabilities"])[:, 1]
    drawn = np.random.default_rng(seed).random(len(chance)) < chance
    return [CLASSES[int(yes)] for yes in drawn]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
