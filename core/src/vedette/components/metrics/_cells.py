"""Rows by group, predicted class and probability of that class: how many, how many labelled, how many right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._categories import hash_of
from vedette_specs import Floats

Cells = dict[str, Any]
COUNTS = ("rows", "labelled", "right")
SUMS = ("logits", "labelled_logits")
REACH = 8.0  # logits; a probability of 0.99966, beyond which rows are in the outermost bins


def no_cells(classes: int, bins: int) -> Cells:
    """groups: names in the order of their hashes; after them, in the arrays, one for all others.

    rows, labelled, right: (groups + 1, classes, bins) counts.  logits, labelled_logits: sums of the rows' logits, and
    of the labelled ones' alone: within a bin, too, the labelled rows may be those that the model is less sure of.
    """
    return {"groups": [], **blank((1, classes, bins))}


def blank(shape: tuple[int, ...]) -> Cells:
    """Arrays of no rows."""
    return {name: np.zeros(shape, np.int64) for name in COUNTS} | {name: np.zeros(shape) for name in SUMS}


def count_cells(
    groups: NDArray[np.object_], codes: NDArray[np.int32], logits: Floats, classes: int, bins: int, most: int
) -> tuple[list[str], NDArray[np.intp]]:
    """(names of the groups, (n,) flat cells) of rows in groups, with predicted codes and logits."""
    names, place = np.unique(groups.astype(str), return_inverse=True) if len(groups) else (np.zeros(0, str), groups)
    order = sorted(range(len(names)), key=lambda i: _order(str(names[i])))
    rank = np.full(len(names), min(most, len(names)))
    rank[order[:most]] = np.arange(min(most, len(names)))
    steps = np.clip((logits + REACH) * (bins / (2 * REACH)), 0, bins - 1).astype(np.intp)
    cells = (rank[place.astype(np.intp)] * classes + codes) * bins + steps
    return [str(names[i]) for i in order[:most]], cells.astype(np.intp)


def merge_cells(left: Cells, right: Cells, most: int) -> Cells:
    """Exact in any order: the groups with the least hashes are kept, the others are counted together."""
    names = sorted({*left["groups"], *right["groups"]}, key=_order)[:most]
    place = {name: i for i, name in enumerate(names)}
    shape = (len(names) + 1, *left["rows"].shape[1:])
    out: Cells = {"groups": names}
    for key in (*COUNTS, *SUMS):
        total = np.zeros(shape, left[key].dtype)
        for one in (left, right):
            where = [*(place.get(name, len(names)) for name in one["groups"]), len(names)]
            np.add.at(total, where, one[key])
        out[key] = total
    return out


def group_names(columns: Sequence[tuple[str, NDArray[np.object_]]], n: int) -> NDArray[np.object_]:
    """(n,) "region=eu,kind=a"; "" without columns."""
    out = np.full(n, "", dtype=object)
    for i, (name, texts) in enumerate(columns):
        known = np.array(["" if text is None else text for text in texts], dtype=object)
        out = out + ("," if i else "") + f"{name}=" + known
    return out


def _order(name: str) -> int:
    return hash_of(name)
