"""64-bit hashes of rows, the same in every process."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._categories import hash_of
from vedette_specs import Batch, Column, Floats

Hashes = NDArray[np.uint64]
_MISSING = 0x9E3779B97F4A7C15


def row_hashes(batch: Batch, columns: list[str]) -> Hashes:
    """(n,) hashes of the rows over these columns: equal for equal rows, else equal with probability about 2^-64."""
    total = np.zeros(len(batch), dtype=np.uint64)
    for name in columns if len(batch) else ():
        key = np.uint64(hash_of(name))
        total = mixed(total + mixed(_column_hashes(batch.inputs[name]) ^ key))
    return total


def _column_hashes(column: Column) -> Hashes:
    if column.kind == "category":
        return np.asarray(_category_hashes(column.categories)[column.values], dtype=np.uint64)
    if column.kind == "text":
        texts = column.values.tolist()
        known = {text: hash_of(text) for text in set(texts) if text is not None}
        return np.array([_MISSING if text is None else known[text] for text in texts], dtype=np.uint64)
    return number_hashes(column.values.reshape(len(column), -1))


def number_hashes(values: Floats) -> Hashes:
    """(n,) hashes of the rows of (n, d) numbers."""
    flat = np.ascontiguousarray(values, dtype=np.float64) + 0.0  # -0.0 is 0.0
    bits = np.where(np.isnan(flat), np.nan, flat).view(np.uint64)
    if bits.shape[1] == 1:
        return bits[:, 0]
    places = mixed(np.arange(1, bits.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    return np.asarray((mixed(bits) * places).sum(axis=1, dtype=np.uint64))


def id_hashes(ids: NDArray[np.object_]) -> Hashes:
    """(n,) hashes of request ids, of 32 bits only: they tell rows apart whose numbers are equal."""
    texts = ("" if text is None else text for text in ids.tolist())
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    return mixed(np.fromiter(map(crc32, encoded), dtype=np.uint64, count=len(ids)))


@lru_cache(maxsize=64)
def _category_hashes(categories: tuple[str, ...]) -> Hashes:
    """(categories + 1,) the last one is that of code -1; batches of one column often have the same categories."""
    return np.array([*map(hash_of, categories), _MISSING], dtype=np.uint64)


def mixed(x: Hashes) -> Hashes:
    """(n,) numbers in which every bit depends on every bit of the number given.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014), SplitMix64.
    """
    x = x + np.uint64(_MISSING)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
