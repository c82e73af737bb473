"""Rows as keys: to predict equal rows once, and to remember what the model answered."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Batch, Column, Floats

Words = NDArray[np.uint64]
Keys = NDArray[np.void]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_ROW_OVERHEAD = 250  # bytes of a cache entry beside its numbers


def row_keys(batch: Batch, secret: int = 0) -> Keys:
    """(n,) 128-bit keys of what a model can see of a row: inputs, attributes, prediction and probabilities.

    Equal rows have equal keys, whatever the order of their columns and the coding of their categories; -0.0 equals
    0.0. `secret` makes keys unpredictable to whoever sends rows.
    """
    lanes = [np.full(len(batch), seed, dtype=np.uint64) for seed in _words(f"row {secret}")]
    for name, column in sorted(_visible(batch).items()):
        for i, word in enumerate(_column_words(column)):
            for lane, salt in enumerate(_words(f"{name} {i}")):
                lanes[lane] = _mixed(lanes[lane] ^ _mixed(word + salt))
    return np.ascontiguousarray(np.column_stack(lanes)).view(np.dtype((np.void, 16))).ravel()


def visible(batch: Batch) -> Batch:
    """The batch without ids, times and labels, which a prediction does not depend on."""
    return batch.replace(ids=None, rows=None, times=None, labels=None)


def signature(batch: Batch) -> tuple[Any, ...]:
    """Batches of equal signature can be put one below another."""
    return tuple(sorted((name, c.kind, c.values.shape[1:]) for name, c in _visible(batch).items()))


class AnswerCache:
    """The model's answers of one version, least recently used first out, bounded by rows and bytes. Not locked."""

    def __init__(self, rows: int, size: int) -> None:
        self._max_rows = rows
        self._max_bytes = size
        self._bytes = 0
        self._version = ""
        self._answers: OrderedDict[tuple[str, bytes], Floats] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def use_version(self, version: str) -> None:
        """Forget the answers of any other version."""
        if version != self._version:
            self._answers.clear()
            self._bytes = 0
            self._version = version

    def find(self, target: str, keys: Sequence[bytes]) -> list[Floats | None]:
        found = [self._answers.get((target, key)) for key in keys]
        for key, answer in zip(keys, found, strict=True):
            if answer is not None:
                self._answers.move_to_end((target, key))
        return found

    def keep(self, target: str, keys: Sequence[bytes], answers: Floats) -> None:
        if self._max_rows == 0:
            return
        for key, answer in zip(keys, answers, strict=True):
            if (target, key) not in self._answers:
                self._bytes += answer.nbytes + _ROW_OVERHEAD
            self._answers[target, key] = answer.copy()
        while len(self._answers) > self._max_rows or self._bytes > self._max_bytes:
            self._bytes -= self._answers.popitem(last=False)[1].nbytes + _ROW_OVERHEAD


def _visible(batch: Batch) -> dict[str, Column]:
    parts = {f"inputs.{name}": column for name, column in batch.inputs.items()}
    parts |= {f"attributes.{name}": column for name, column in batch.attributes.items()}
    if batch.prediction is not None:
        parts["prediction"] = batch.prediction
    if batch.probabilities is not None:
        parts["probabilities"] = Column("embedding", batch.probabilities)
    return parts


def _column_words(column: Column) -> list[Words]:
    """The values as 64-bit words, one array (n,) for each number of a row."""
    if column.kind == "category":
        texts = np.array([*(_words(name)[0] for name in column.categories), _words("\x00")[0]], dtype=np.uint64)
        return [texts[column.values]]
    if column.kind == "text":
        words = [_words("\x00" if item is None else str(item))[0] for item in column.values]
        return [np.array(words, dtype=np.uint64)]
    size = int(np.prod(column.values.shape[1:]))
    numbers = column.values.reshape(len(column), size).astype(np.float64) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return list(np.ascontiguousarray(numbers.T).view(np.uint64))


def _words(text: str) -> Words:
    """Two 64-bit words of a text, the same in every process."""
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), dtype=np.uint64)


def _mixed(words: Words) -> Words:
    """splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output."""
    words = words + _GOLDEN
    words = (words ^ (words >> _SHIFTS[0])) * _MIX[0]
    words = (words ^ (words >> _SHIFTS[1])) * _MIX[1]
    return np.asarray(words ^ (words >> _SHIFTS[2]))
