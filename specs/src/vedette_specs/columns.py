"""One column of a batch, by kind. Missing values: NaN, code -1, or None."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vedette_specs.schema import Kind

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp] | Mask | slice | Sequence[int]


@dataclass(frozen=True)
class Column:
    """Values of one column, first axis = rows.

    numeric: float64 (n,), NaN is missing.  category: int32 codes (n,) into `categories`, -1 is missing.
    text: object array (n,) of str, None is missing.  image, embedding: floats (n, ...), a row of NaN is missing.
    """

    kind: Kind
    values: NDArray[Any]
    categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def missing(self) -> Mask:
        """(n,) True where the value is missing."""
        if self.kind == "category":
            return np.asarray(self.values < 0)
        if self.kind == "text":
            return np.fromiter((item is None for item in self.values), dtype=bool, count=len(self.values))
        flat = self.values.reshape(len(self.values), int(np.prod(self.values.shape[1:])))
        return np.isnan(flat).all(axis=1) if flat.shape[1] else np.ones(len(flat), dtype=bool)

    def take(self, index: Index) -> Column:
        return Column(self.kind, self.values[index], self.categories)

    def strings(self) -> NDArray[np.object_]:
        """(n,) object array of str, None where missing; for categories and text."""
        if self.kind == "category":
            lookup = np.array([*self.categories, None], dtype=object)
            return np.asarray(lookup[self.values], dtype=object)
        if self.kind == "text":
            return np.asarray(self.values, dtype=object)
        return _object([None if np.isnan(v) else number_text(v) for v in self.values.tolist()])

    def codes(self, categories: Sequence[str]) -> NDArray[np.int32]:
        """(n,) positions of the values in `categories`; -1 where missing, len(categories) where unseen."""
        index = {name: i for i, name in enumerate(categories)}
        if self.kind == "category":
            lookup = np.array([*(index.get(c, len(categories)) for c in self.categories), -1], dtype=np.int32)
            return np.asarray(lookup[self.values], dtype=np.int32)
        found = [-1 if s is None else index.get(s, len(categories)) for s in self.strings().tolist()]
        return np.asarray(found, dtype=np.int32)

    def to_list(self) -> list[Any]:
        """Plain Python values for JSON; None where missing."""
        if self.kind in ("category", "text"):
            return list(self.strings())
        gone = self.missing()
        return [None if lost else value for value, lost in zip(self.values.tolist(), gone, strict=True)]


def number_text(value: float) -> str:
    """How a number is written as a class or category: 1 and 1.0 are both "1"."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def numeric(values: ArrayLike | Iterable[Any]) -> Column:
    """Column of numbers; None and what is not a number raise TypeError or ValueError, NaN is missing."""
    if not isinstance(values, np.ndarray):
        values = [np.nan if item is None else item for item in values]  # type: ignore[union-attr]
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"a numeric column has one dimension, not shape {array.shape}")
    return Column("numeric", array)


def category(values: Iterable[Any], categories: Sequence[str] | None = None) -> Column:
    """Column of categories; None and NaN are missing, numbers become text (1.0 -> "1").

    Without `categories` they are the values seen, sorted; with them, unseen values extend the list.
    """
    texts = [_text(item) for item in values]
    known = list(categories) if categories is not None else []
    index = {name: i for i, name in enumerate(known)}
    for name in sorted({text for text in texts if text is not None and text not in index}):
        index[name] = len(known)
        known.append(name)
    codes = np.fromiter((-1 if t is None else index[t] for t in texts), dtype=np.int32, count=len(texts))
    return Column("category", codes, tuple(known))


def text(values: Iterable[Any]) -> Column:
    return Column("text", _object([None if item is None or item != item else str(item) for item in values]))


def tensor(kind: Kind, values: ArrayLike) -> Column:
    """Column of images or embeddings: (n, ...) floats."""
    return Column(kind, np.asarray(values, dtype=np.float64))


def make_column(kind: Kind, values: Any) -> Column:
    """Column of the wanted kind from any sequence; raises TypeError or ValueError where it does not fit."""
    if kind == "numeric":
        return numeric(values)
    if kind == "category":
        return category(values)
    if kind == "text":
        return text(values)
    return tensor(kind, values)


def concat_columns(columns: Sequence[Column]) -> Column:
    """One column below another; categories are united. All must be of one kind."""
    first = columns[0]
    if any(column.kind != first.kind for column in columns):
        raise ValueError(f"columns of different kinds cannot be joined: {sorted({c.kind for c in columns})}")
    if first.kind != "category" or all(c.categories == first.categories for c in columns):
        return Column(first.kind, np.concatenate([c.values for c in columns]), first.categories)
    union = list(dict.fromkeys(name for column in columns for name in column.categories))
    return Column("category", np.concatenate([c.codes(union) for c in columns]), tuple(union))


def _text(item: Any) -> str | None:
    if item is None or item != item:
        return None
    if isinstance(item, bool | np.bool_):
        return str(bool(item))
    if isinstance(item, int | float | np.number):
        return number_text(float(item))
    return str(item)


def _object(items: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
