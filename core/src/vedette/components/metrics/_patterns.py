"""Counts of patterns, (the model's class, the label of each annotator): all that several annotators say, mergeable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._categories import hash_of

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]
Patterns = dict[str, Any]


def no_patterns() -> Patterns:
    """annotators: names in the order of their hashes.  codes: (m, 1 + annotators) classes, the model's first, -1 none.

    counts: (m,) rows of each pattern.  cut: hash from which on annotators are left out, "" while all are there.
    """
    return {"annotators": [], "codes": np.zeros((0, 1), np.int32), "counts": np.zeros(0, np.int64), "cut": ""}


def count_patterns(model: Codes, labels: dict[str, Codes], most_annotators: int, most_patterns: int) -> Patterns:
    """Patterns of (n,) codes of the model and of each annotator."""
    names = sorted(labels, key=_order)
    kept = names[:most_annotators]  # others would be left out anyway
    codes = np.column_stack([model, *(labels[name] for name in kept)]).astype(np.int32)
    whole = {"annotators": kept, "codes": codes, "counts": np.ones(len(codes), np.int64), "cut": ""}
    if len(names) > most_annotators:
        whole["cut"] = _order(names[most_annotators])
    return bounded(_gathered(whole), most_annotators, most_patterns)


def merge_patterns(left: Patterns, right: Patterns, most_annotators: int, most_patterns: int) -> Patterns:
    """Exact, in any order: annotators are left out from the last on by hash, and never come back."""
    cut = min((one["cut"] for one in (left, right) if one["cut"]), default="")
    names = sorted({*left["annotators"], *right["annotators"]}, key=_order)
    names = [name for name in names if not cut or _order(name) < cut]
    both = [_spread(one, names) for one in (left, right)]
    whole = {
        "annotators": names,
        "codes": np.concatenate(both),
        "counts": np.concatenate([left["counts"], right["counts"]]),
        "cut": cut,
    }
    return bounded(_gathered(whole), most_annotators, most_patterns)


def bounded(patterns: Patterns, most_annotators: int, most_patterns: int) -> Patterns:
    """As many annotators, in the order of their hashes, as make no more patterns than allowed."""
    while len(patterns["annotators"]) > most_annotators or (
        len(patterns["counts"]) > most_patterns and patterns["annotators"]
    ):
        *names, last = patterns["annotators"]
        less = {**patterns, "annotators": names, "codes": patterns["codes"][:, :-1], "cut": _order(last)}
        patterns = _gathered(less)
    return patterns


def _spread(patterns: Patterns, names: Sequence[str]) -> Codes:
    """(m, 1 + names) codes with a column for each of `names`."""
    place = {name: i + 1 for i, name in enumerate(patterns["annotators"])}
    blank = np.full(len(patterns["counts"]), -1, np.int32)
    codes = patterns["codes"]
    return np.column_stack([codes[:, 0], *(codes[:, place[n]] if n in place else blank for n in names)])


def _gathered(patterns: Patterns) -> Patterns:
    """Equal patterns counted together, in the order of their codes."""
    codes, where = np.unique(patterns["codes"], axis=0, return_inverse=True)
    counts = np.zeros(len(codes), np.int64)
    np.add.at(counts, where.reshape(-1), patterns["counts"])
    return {**patterns, "codes": codes.astype(np.int32), "counts": counts}


def _order(name: str) -> str:
    return f"{hash_of(name):016x}"
