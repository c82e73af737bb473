"""Counting categories in bounded space, exactly mergeable."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from vedette_specs import Column

Table = dict[str, Any]
"""{names: [str], counts: [int], other: int}: counts of the kept categories, and of all the others together."""

_SPACE = float(2**64)


def hash_of(name: str) -> int:
    """64-bit hash of a category: the same in every process."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def count_column(column: Column) -> tuple[dict[str, int], int]:
    """category -> rows (those that occur), and the rows where it is missing."""
    if column.kind == "category":
        counts = np.bincount(column.values.astype(np.intp) + 1, minlength=len(column.categories) + 1).tolist()
        return {c: k for c, k in zip(column.categories, counts[1:], strict=True) if k}, counts[0]
    texts = column.strings()
    here = np.array([item is not None for item in texts], dtype=bool)
    names, counts = np.unique(texts[here].astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True)), int((~here).sum())


def empty_table() -> Table:
    return {"names": [], "counts": [], "other": 0}


def add_counts(table: Mapping[str, Any], more: Mapping[str, int], limit: int, other: int = 0) -> Table:
    """`table` with the counts of `more` (and `other` rows of categories not kept) added.

    The `limit` categories with the least hash are kept. A category that is kept at last was among the least
    hashes of every part as well, so its count is complete: merging is exact in any order.
    """
    counts = dict(zip(table["names"], table["counts"], strict=True))
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
    other += table["other"]
    if len(counts) > limit:
        kept = set(sorted(counts, key=hash_of)[:limit])
        other += sum(count for name, count in counts.items() if name not in kept)
        counts = {name: count for name, count in counts.items() if name in kept}
    return {"names": list(counts), "counts": list(counts.values()), "other": other}


def merge_tables(left: Mapping[str, Any], right: Mapping[str, Any], limit: int) -> Table:
    return add_counts(left, dict(zip(right["names"], right["counts"], strict=True)), limit, right["other"])


def distinct(table: Mapping[str, Any], limit: int) -> float:
    """Number of different categories: exact while all are kept, else the estimate (limit - 1) / (largest kept hash).

    Relative standard error about 1 / sqrt(limit - 2). Source: Bar-Yossef et al. (2002); Beyer et al. (2007).
    """
    if table["other"] == 0 or limit < 2:
        return float(len(table["names"]))
    return (limit - 1) * _SPACE / max(map(hash_of, table["names"]))
