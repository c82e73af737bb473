"""The columnar block of rows that every component sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs.codec import decode, encode
from vedette_specs.columns import Column, Floats, Index, concat_columns
from vedette_specs.schema import Schema


@dataclass(frozen=True)
class Batch:
    """n rows of model traffic, or of the reference.

    inputs: feature name -> column of n values.
    ids: (n,) object array of request ids; rows: (n,) int32, the row's index within its request.
    times: (n,) float64, event time in seconds since the epoch.
    prediction: classes (category column) or values (numeric column); None where unknown.
    probabilities: (n, classes) float64 in the order of `schema.classes`; None where unknown.
    labels: like prediction; only where labels are known.
    attributes: segment columns and the model version.
    annotations: annotator -> labels, like `labels`, missing where that one gave none; for metrics that ask.
    """

    inputs: Mapping[str, Column]
    schema: Schema = field(default_factory=Schema)
    ids: NDArray[np.object_] | None = None
    rows: NDArray[np.int32] | None = None
    times: Floats | None = None
    prediction: Column | None = None
    probabilities: Floats | None = None
    labels: Column | None = None
    attributes: Mapping[str, Column] = field(default_factory=dict)
    annotations: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(part) for name, part in self._parts().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the parts of a batch have different numbers of rows: {lengths}")
        if self.probabilities is not None and self.probabilities.ndim != 2:
            raise ValueError(f"probabilities have shape (n, classes), not {self.probabilities.shape}")

    def __len__(self) -> int:
        return next((len(part) for part in self._parts().values()), 0)

    def _parts(self) -> dict[str, Any]:
        whole = {
            "ids": self.ids, "rows": self.rows, "times": self.times, "prediction": self.prediction,
            "probabilities": self.probabilities, "labels": self.labels,
        }  # fmt: skip
        parts: dict[str, Any] = {f"inputs.{name}": column for name, column in self.inputs.items()}
        parts |= {f"attributes.{name}": column for name, column in self.attributes.items()}
        parts |= {f"annotations.{name}": column for name, column in self.annotations.items()}
        return parts | {name: part for name, part in whole.items() if part is not None}

    def take(self, index: Index) -> Batch:
        """The rows at `index` (positions, mask or slice)."""

        def cut(part: Any) -> Any:
            return None if part is None else part.take(index) if isinstance(part, Column) else part[index]

        return replace(
            self,
            inputs={name: column.take(index) for name, column in self.inputs.items()},
            attributes={name: column.take(index) for name, column in self.attributes.items()},
            annotations={name: column.take(index) for name, column in self.annotations.items()},
            ids=cut(self.ids),
            rows=cut(self.rows),
            times=cut(self.times),
            prediction=cut(self.prediction),
            probabilities=cut(self.probabilities),
            labels=cut(self.labels),
        )

    def repeat(self, times: int) -> Batch:
        """Every row `times` times in a row: 0 0 0 1 1 1 for three."""
        return self.take(np.repeat(np.arange(len(self)), times))

    def replace(self, **changes: Any) -> Batch:
        """A copy with other parts; `inputs` as given."""
        return replace(self, **changes)

    def with_inputs(self, **columns: Column) -> Batch:
        """A copy with some input columns exchanged or added."""
        return replace(self, inputs={**self.inputs, **columns})

    def select(self, names: Sequence[str]) -> Batch:
        """A copy with these input columns only; KeyError names the missing one."""
        return replace(self, inputs={name: self.inputs[name] for name in names})

    def matrix(self, names: Sequence[str] | None = None) -> Floats:
        """(n, d) float64 of the numeric inputs, NaN where missing."""
        chosen = names if names is not None else [k for k, c in self.inputs.items() if c.kind == "numeric"]
        if not chosen:
            return np.empty((len(self), 0))
        return np.column_stack([self.inputs[name].values for name in chosen]).astype(np.float64, copy=False)

    def to_bytes(self) -> bytes:
        """The batch without its schema, which the receiver has."""
        return encode(
            {
                "inputs": {name: _pack(column) for name, column in self.inputs.items()},
                "attributes": {name: _pack(column) for name, column in self.attributes.items()},
                "ids": self.ids,
                "rows": self.rows,
                "times": self.times,
                "prediction": _pack(self.prediction),
                "probabilities": self.probabilities,
                "labels": _pack(self.labels),
                **self._packed_annotations(),
            }
        )

    def _packed_annotations(self) -> dict[str, Any]:
        """Nothing where there are none: the bytes of traffic do not grow."""
        packed = {name: _pack(column) for name, column in self.annotations.items()}
        return {"annotations": packed} if packed else {}

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, schema: Schema) -> Batch:
        parts = decode(data)
        return cls(
            inputs={name: _column(item) for name, item in parts["inputs"].items()},
            attributes={name: _column(item) for name, item in parts["attributes"].items()},
            schema=schema,
            ids=parts["ids"],
            rows=parts["rows"],
            times=parts["times"],
            prediction=_maybe(parts["prediction"]),
            probabilities=parts["probabilities"],
            labels=_maybe(parts["labels"]),
            annotations={name: _column(item) for name, item in parts.get("annotations", {}).items()},
        )

    def to_records(self) -> list[dict[str, Any]]:
        """Inputs as one dict a row, JSON-ready."""
        lists = {name: column.to_list() for name, column in self.inputs.items()}
        return [{name: values[i] for name, values in lists.items()} for i in range(len(self))]


def concat(batches: Sequence[Batch]) -> Batch:
    """One batch below another; all must have the same parts, but for annotators that some batches do not have."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]

    def arrays(name: str) -> Any:
        return None if getattr(first, name) is None else np.concatenate([getattr(b, name) for b in batches])

    def columns(name: str) -> Column | None:
        return None if getattr(first, name) is None else concat_columns([getattr(b, name) for b in batches])

    return Batch(
        inputs={k: concat_columns([b.inputs[k] for b in batches]) for k in first.inputs},
        attributes={k: concat_columns([b.attributes[k] for b in batches]) for k in first.attributes},
        annotations=_concat_annotations(batches),
        schema=first.schema,
        ids=arrays("ids"),
        rows=arrays("rows"),
        times=arrays("times"),
        prediction=columns("prediction"),
        probabilities=arrays("probabilities"),
        labels=columns("labels"),
    )


def _concat_annotations(batches: Sequence[Batch]) -> dict[str, Column]:
    """Annotators of any batch; their labels are missing in the others."""
    found: dict[str, Column] = {}
    for name in dict.fromkeys(name for batch in batches for name in batch.annotations):
        like = next(batch.annotations[name] for batch in batches if name in batch.annotations)
        blank = -1 if like.kind == "category" else np.nan
        parts = [
            batch.annotations.get(
                name, Column(like.kind, np.full(len(batch), blank, like.values.dtype), like.categories)
            )
            for batch in batches
        ]
        found[name] = concat_columns(parts)
    return found


def _pack(column: Column | None) -> Any:
    if column is None:
        return None
    return {"kind": column.kind, "values": column.values, "categories": list(column.categories)}


def _column(item: Mapping[str, Any]) -> Column:
    return Column(item["kind"], item["values"], tuple(item["categories"]))


def _maybe(item: Mapping[str, Any] | None) -> Column | None:
    return None if item is None else _column(item)
