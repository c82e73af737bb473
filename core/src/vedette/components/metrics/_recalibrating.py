"""Methods that see the whole window before they know what its probabilities mean."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._estimating import Answers, Estimating, Wanted
from vedette.components.metrics._expected import Sums
from vedette.components.metrics._row_sample import below_last, check_sample, merge_samples, row_keys
from vedette.components.metrics._score_table import Cells, count_scores, table_cells
from vedette_specs import Batch, Floats, State

Numbers = NDArray[np.float32]


class Recalibrating(Estimating):
    """Of two classes all rows are kept as a table of prediction by score; of more, a sample of them.

    sample: rows kept with the least keys (hashes of what they hold and of their ids).
    """

    samples_always: ClassVar[bool] = False
    sample: int

    def __init__(self, estimate: Wanted, calibrate: bool, bins: int, sample: int) -> None:
        super().__init__(estimate, calibrate, bins)
        self.sample = check_sample(sample, self.name)

    @property
    def has_table(self) -> bool:
        return len(self.schema.classes) == 2

    @property
    def has_sample(self) -> bool:
        return self.samples_always or not self.has_table

    def create(self) -> State:
        k = len(self.schema.classes)
        state: State = {"n": 0, "left_out": 0}
        if self.has_table:
            state["table"] = np.zeros((2, 2, self.bins))
        if self.has_sample:
            state["sample"] = {
                "keys": np.zeros(0, dtype=np.uint64),
                "p": np.zeros((0, k)),
                "predicted": np.zeros(0, dtype=np.int32),
                "x": np.zeros((0, self.width), dtype=np.float32),
            }
        return state

    @property
    def width(self) -> int:
        """Numbers that are kept of a row's inputs."""
        return 0

    def encoded(self, batch: Batch) -> Numbers:
        """(n, width) numbers."""
        return np.empty((len(batch), 0), dtype=np.float32)

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        return self.merge(state, self.part(state, batch, self.answers(batch)))

    def part(self, state: State, batch: Batch, rows: Answers) -> State:
        """What the rows of a batch add to a state."""
        n = len(rows.p)
        part: State = {"n": n, "left_out": len(batch) - n}
        if self.has_table:
            places = self.places(rows.p)[0]
            part["table"] = count_scores(rows.p[:, self.schema.positive_index], rows.predicted, places, self.bins)
        if self.has_sample:
            given = batch.take(rows.index)
            keys = row_keys(given, rows.p)
            taken = below_last(state["sample"], keys, self.sample)
            part["sample"] = {
                "keys": keys[taken],
                "p": rows.p[taken],
                "predicted": rows.predicted[taken].astype(np.int32),
                "x": self.encoded(given.take(taken)),
            }
        return part

    def merge(self, left: State, right: State) -> State:
        out = {key: left[key] + right[key] for key in left if key != "sample"}
        if "sample" in left:
            out["sample"] = merge_samples(left["sample"], right["sample"], self.sample)
        return out

    def cells(self, state: State) -> Cells:
        """All rows of two classes, or a sample of those of more."""
        if self.has_table:
            return table_cells(state["table"], self.schema.positive_index)
        rows = state["sample"]
        return Cells(rows["p"], rows["predicted"], np.ones(len(rows["p"])))

    def sums(self, cells: Cells, c: Floats) -> Sums:
        """Expected counts if the cells have the probabilities c: (m, classes)."""
        return self.expected(cells.p, c, cells.predicted, cells.counts)
