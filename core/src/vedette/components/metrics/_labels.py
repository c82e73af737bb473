"""Labels and predictions side by side, whatever columns they came in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Batch, Column, Floats, Mask, Schema, category

Codes = NDArray[np.int32]


def check_classes(schema: Schema, who: str) -> None:
    """Raises ValueError where the schema says that there are no classes to compare."""
    if schema.task == "regression":
        raise ValueError(f"{who}: schema.task is 'regression'; allowed: binary, multiclass")


def class_codes(column: Column | None, classes: Sequence[str], n: int) -> Codes:
    """(n,) positions in `classes`, -1 where missing, len(classes) where the class is not one of them."""
    return np.full(n, -1, dtype=np.int32) if column is None else column.codes(classes)


def matching_codes(left: Column, right: Column) -> tuple[Codes, Codes]:
    """(n,), (n,) codes that are equal where the texts are; -1 where missing."""
    left, right = _categories(left), _categories(right)
    if left.categories == right.categories:
        return left.values, right.values
    both = list(dict.fromkeys((*left.categories, *right.categories)))
    return left.codes(both), right.codes(both)


def scored_classes(batch: Batch, who: str) -> tuple[Codes, Floats, Mask, int]:
    """((n,) codes of the labels, (n, classes) probabilities, (n,) rows that have both, rows of an undeclared class)."""
    probabilities = class_probabilities(batch, who)
    k = len(batch.schema.classes)
    codes = class_codes(batch.labels, batch.schema.classes, len(batch))
    known = (codes >= 0) & (codes < k) & np.isfinite(probabilities).all(axis=1)
    return codes, probabilities, known, int(np.count_nonzero(codes == k))


def class_probabilities(batch: Batch, who: str) -> Floats:
    """(n, classes) in the order of `schema.classes`; NaN where unknown. One column means that of the positive class."""
    classes = batch.schema.classes
    if not classes:
        raise ValueError(f"{who}: schema.classes is empty; name the classes of the probabilities in their order")
    if batch.probabilities is None:
        return np.full((len(batch), len(classes)), np.nan)
    given = batch.probabilities
    if given.shape[1] == 1 and len(classes) == 2:
        pair = (
            (given[:, 0], 1.0 - given[:, 0]) if batch.schema.positive_index == 0 else (1.0 - given[:, 0], given[:, 0])
        )
        return np.column_stack(pair)
    if given.shape[1] != len(classes):
        raise ValueError(f"{who}: probabilities have {given.shape[1]} columns; schema.classes has {len(classes)}")
    return given


def predicted(batch: Batch) -> Column | None:
    """The prediction; from the probabilities where only they are known (threshold, or the likeliest class)."""
    if batch.prediction is not None or batch.probabilities is None or not batch.schema.classes:
        return batch.prediction
    probabilities = class_probabilities(batch, "prediction")
    schema = batch.schema
    if len(schema.classes) == 2:
        positive = schema.positive_index
        codes = np.where(probabilities[:, positive] >= schema.threshold, positive, 1 - positive)
    else:
        codes = np.argmax(probabilities, axis=1)
    known = ~np.isnan(probabilities).any(axis=1)
    return Column("category", np.where(known, codes, -1).astype(np.int32), schema.classes)


def _categories(column: Column) -> Column:
    return column if column.kind == "category" else category(column.strings().tolist())
