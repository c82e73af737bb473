"""Made-up models with traffic: numeric and category columns, labels, predictions, a shift that can be turned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vedette_specs import Batch, Column, Floats, Schema, numeric, tensor
from vedette_specs.columns import Mask
from vedette_specs.schema import Kind

Example = Literal["binary", "multiclass", "regression", "embedding"]
SECTORS = ("private", "public", "self")
REGIONS = ("north", "south")
START = 1_700_000_000.0  # event time of the first row, seconds since the epoch
_TABULAR: dict[str, Kind] = {"age": "numeric", "hours": "numeric", "balance": "numeric", "sector": "category"}
_SCHEMAS: dict[Example, Schema] = {
    "binary": Schema(_TABULAR, "binary", ("<=50K", ">50K"), ">50K", label="income"),
    "multiclass": Schema(_TABULAR, "multiclass", ("low", "middle", "high"), label="income"),
    "regression": Schema(_TABULAR, "regression", label="income"),
    "embedding": Schema({"embedding": "embedding"}, "binary", ("no", "yes"), "yes", label="answer"),
}


@dataclass(frozen=True)
class MadeUpModel:
    """A model that is known in full, and its traffic."""

    example: Example

    @property
    def schema(self) -> Schema:
        return _SCHEMAS[self.example]

    def predict(self, batch: Batch) -> Floats:
        """(n, classes) probabilities, or (n, 1) values for regression. Missing values count as typical ones."""
        score = _score(batch)
        if self.example == "regression":
            return 40_000 + 9_000 * score[:, None]
        if self.example == "multiclass":
            logits = np.column_stack([-1.5 * score, np.zeros(len(score)), 1.5 * score])
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            return np.asarray(weights / weights.sum(axis=1, keepdims=True))
        positive = 1.0 / (1.0 + np.exp(-1.5 * score))
        return np.column_stack([1.0 - positive, positive])

    def rows(self, n: int = 1000, seed: int = 0, shift: float = 0.0) -> Batch:
        """n rows; numeric columns are moved by `shift` standard deviations and categories change their shares."""
        rng = np.random.default_rng((seed, 7))
        inputs = _embedding(n, rng, shift) if self.example == "embedding" else _tabular(n, rng, shift)
        batch = Batch(
            inputs=inputs,
            schema=self.schema,
            ids=_strings([f"r-{seed}-{i}" for i in range(n)]),
            rows=np.zeros(n, dtype=np.int32),
            times=START + np.arange(n, dtype=np.float64),
            attributes={"region": Column("category", rng.integers(0, 2, n).astype(np.int32), REGIONS)},
        )
        return self._answered(batch, rng)

    def _answered(self, batch: Batch, rng: np.random.Generator) -> Batch:
        outputs = self.predict(batch)
        if self.example == "regression":
            truth = outputs[:, 0] + rng.normal(0, 2_000, len(batch))
            return batch.replace(prediction=numeric(outputs[:, 0]), labels=numeric(truth))
        drawn = (rng.random((len(batch), 1)) > outputs.cumsum(axis=1)).sum(axis=1)
        classes = self.schema.classes
        return batch.replace(
            probabilities=outputs,
            prediction=Column("category", outputs.argmax(axis=1).astype(np.int32), classes),
            labels=Column("category", np.minimum(drawn, len(classes) - 1).astype(np.int32), classes),
        )


def binary_classification(n: int = 1000, seed: int = 0, shift: float = 0.0) -> Batch:
    """Three numeric columns, one category, labels, predictions and probabilities of two classes."""
    return MadeUpModel("binary").rows(n, seed, shift)


def multiclass_classification(n: int = 1000, seed: int = 0, shift: float = 0.0) -> Batch:
    """Like `binary_classification`, with three classes."""
    return MadeUpModel("multiclass").rows(n, seed, shift)


def regression(n: int = 1000, seed: int = 0, shift: float = 0.0) -> Batch:
    """Like `binary_classification`, with numbers as labels and predictions."""
    return MadeUpModel("regression").rows(n, seed, shift)


def spoil(batch: Batch, seed: int = 0) -> Batch:
    """What production sends: NaN, infinities, huge numbers, unseen and missing categories, rows without any value."""
    rng = np.random.default_rng((seed, 11))
    n = len(batch)
    gone = rng.random(n) < 0.05
    inputs = {name: _spoiled(column, rng, gone) for name, column in batch.inputs.items()}
    labels = None if batch.labels is None else _spoiled(batch.labels, rng, gone)
    return batch.replace(inputs=inputs, labels=labels)


def drop_values(batch: Batch, share: float = 0.1, seed: int = 0) -> Batch:
    """A copy in which each input value is missing with probability `share`."""
    rng = np.random.default_rng((seed, 13))
    return batch.replace(inputs={k: _without(c, rng.random(len(batch)) < share) for k, c in batch.inputs.items()})


def _tabular(n: int, rng: np.random.Generator, shift: float) -> dict[str, Column]:
    common = rng.normal(size=n)
    age = 40 + 12 * (0.6 * common + 0.8 * rng.normal(size=n) + shift)
    hours = 38 + 8 * (rng.normal(size=n) + shift)
    balance = 2_000 * (np.exp(0.5 * (0.5 * common + rng.normal(size=n))) + shift)
    shares = np.array([0.6, 0.3, 0.1]) if shift == 0.0 else np.array([0.1, 0.2, 0.7])
    sector = rng.choice(3, size=n, p=shares).astype(np.int32)
    columns = {"age": numeric(age), "hours": numeric(hours), "balance": numeric(balance)}
    return {**columns, "sector": Column("category", sector, SECTORS)}


def _embedding(n: int, rng: np.random.Generator, shift: float) -> dict[str, Column]:
    return {"embedding": tensor("embedding", rng.normal(size=(n, 8)) + shift)}


def _score(batch: Batch) -> Floats:
    """(n,) the known model's score, about standard normal."""
    if "embedding" in batch.inputs:
        values = np.clip(np.nan_to_num(batch.inputs["embedding"].values), -100, 100)
        return np.asarray(values.mean(axis=1) * np.sqrt(8.0))
    age, hours, balance = (np.clip(np.nan_to_num(batch.inputs[k].values), -1e6, 1e6) for k in list(_TABULAR)[:3])
    public = batch.inputs["sector"].codes(SECTORS) == SECTORS.index("public")
    score = 0.6 * (age - 40) / 12 + 0.5 * (hours - 38) / 8 + 0.2 * (balance - 2_000) / 1_500 + 0.4 * public
    return np.asarray(np.clip(score, -100, 100))


def _spoiled(column: Column, rng: np.random.Generator, gone: Mask) -> Column:
    n = len(column)
    column = _without(column, gone)
    if column.kind == "category":
        codes = column.values.copy()
        codes[rng.random(n) < 0.05] = len(column.categories)
        return Column("category", codes, (*column.categories, "never seen before"))
    if column.kind not in ("numeric", "embedding"):
        return column
    values = column.values.copy()
    for strange in (np.inf, -np.inf, 1e300, -1e300, 1e-300):
        values[rng.random(n) < 0.02] = strange
    return Column(column.kind, values)


def _without(column: Column, gone: Mask) -> Column:
    values = column.values.copy()
    values[gone] = -1 if column.kind == "category" else None if column.kind == "text" else np.nan
    return Column(column.kind, values, column.categories)


def _strings(items: list[str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
