"""What each monitor sees of a batch: its input (`of:`), preprocessed and scored once for all who ask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vedette.config.plan import MonitorSpec
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, Floats, numeric
from vedette_specs.components import Preprocessor


class NoInput(ValueError):
    """The batch lacks what a monitor reads."""


class Views:
    """Lazy views of one batch. Not thread-safe: one batch belongs to one thread."""

    def __init__(self, batch: Batch, preprocessors: Mapping[str, Preprocessor]) -> None:
        self.batch = batch
        self._preprocessors = preprocessors
        self._transformed: dict[tuple[str, ...], Batch] = {}
        self._scores: dict[str, Floats] = {}

    def view(self, spec: MonitorSpec) -> Batch:
        """The batch as `spec` sees it; raises NoInput where the batch has no such part."""
        if spec.source is not None:
            return self._scored(spec.source)
        if spec.of == "inputs":
            return self._preprocessed(spec.preprocess)
        return part_view(self.batch, spec.of)

    def put_scores(self, name: str, scores: Floats, where: NDArray[np.intp] | None = None) -> None:
        """Keep a monitor's scores (of the rows at `where`) for the monitors chained to it."""
        whole = self._scores.setdefault(name, np.full(len(self.batch), np.nan))
        whole[slice(None) if where is None else where] = scores

    def _scored(self, name: str) -> Batch:
        if name not in self._scores:
            raise NoInput(f"monitor {name!r} gave no scores for this batch")
        return self.batch.replace(inputs={"score": numeric(self._scores[name])})

    def _preprocessed(self, names: tuple[str, ...]) -> Batch:
        if not names:
            return self.batch
        if names not in self._transformed:
            before = self._preprocessed(names[:-1])
            self._transformed[names] = self._preprocessors[names[-1]].transform_batch(before)
        return self._transformed[names]


def part_view(batch: Batch, of: str) -> Batch:
    """Prediction, probabilities or labels of a batch as its inputs."""
    if of == "probabilities":
        if batch.probabilities is None:
            raise NoInput("the batch has no probabilities")
        classes = batch.schema.classes or tuple(str(i) for i in range(batch.probabilities.shape[1]))
        columns = {f"p_{c}": numeric(batch.probabilities[:, i]) for i, c in enumerate(classes)}
        return batch.replace(inputs=columns)
    column = batch.prediction if of == "prediction" else batch.labels
    if column is None:
        raise NoInput(f"the batch has no {of}")
    return batch.replace(inputs={of: column})


def segment_keys(batch: Batch, by: tuple[str, ...]) -> NDArray[np.object_]:
    """(n,) object array "region=eu,version=2" of each row; "" for all when `by` is empty."""
    keys = np.full(len(batch), "", dtype=object)
    for name in by:
        column = _segment_column(batch, name)
        texts = np.array(["" if text is None else text for text in column.strings()], dtype=object)
        keys = keys + ("," if name != by[0] else "") + f"{name}=" + texts
    return keys


def _segment_column(batch: Batch, name: str) -> Column:
    if name in batch.attributes:
        return batch.attributes[name]
    if name in batch.inputs:
        return batch.inputs[name]
    return Column("category", np.full(len(batch), -1, dtype=np.int32))
