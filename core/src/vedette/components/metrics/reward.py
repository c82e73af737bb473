"""Rewards that the world gives for predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.components.metrics._means import Counted, MeanMetric, known_number
from vedette.components.metrics._weights import as_numbers, find_column
from vedette_specs import Batch, Floats, Schema, State, Tags
from vedette_specs.results import Value


class Reward(MeanMetric):
    """Mean and total of a number that comes back for each prediction: `mean_reward`, `total_reward`.

    column: input column or attribute that holds the reward. None: the label is the reward, as sent to the feedback
    address, so that it may come later, late or twice like any label (a schema without classes takes any number).
    A reward of 0 is a reward and counts. Rows whose reward is missing or no finite number are left out and counted in
    `details.left_out`.
    """

    name = "mean_reward"
    tags = Tags()

    def __init__(self, column: str | None = None) -> None:
        self.column = column
        self._narrow()

    def bind(self, schema: Schema) -> Reward:
        super().bind(schema)
        self._narrow()
        return self

    def _narrow(self) -> None:
        vars(self)["tags"] = replace(type(self).tags, needs_labels=self.column is None)

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        found = batch.labels if self.column is None else find_column(batch, self.column)
        rewards = as_numbers(found, len(batch))
        return np.where(np.isfinite(rewards), rewards, np.nan), {}

    def values(self, mean: float | None, state: State) -> dict[str, Value]:
        return {self.name: mean, "total_reward": known_number(state["total"]) if state["n"] else None}
