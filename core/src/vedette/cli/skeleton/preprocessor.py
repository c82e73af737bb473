"""Numeric columns held within the reference's usual range."""

from __future__ import annotations

import numpy as np

from vedette_specs import Batch, Preprocessor, Tags, numeric


class MyComponent(Preprocessor):
    """Clips numeric columns to the reference's quantiles `tail` and 1 - `tail`; other columns pass through."""

    tags = Tags(modalities=("numeric",))

    def __init__(self, tail: float = 0.01) -> None:
        if not 0 <= tail < 0.5:
            raise ValueError(f"tail: {tail} is not in [0, 0.5)")
        self.tail = tail

    def fit_batch(self, reference: Batch) -> None:
        columns = {name: column.values for name, column in reference.inputs.items() if column.kind == "numeric"}
        known = {name: values[~np.isnan(values)] for name, values in columns.items()}
        levels = [self.tail, 1 - self.tail]
        self.bounds_ = {name: np.quantile(values, levels).tolist() for name, values in known.items() if len(values)}

    def transform_batch(self, batch: Batch) -> Batch:
        clipped = {
            name: numeric(np.clip(batch.inputs[name].values, low, high)) for name, (low, high) in self.bounds_.items()
        }
        return batch.with_inputs(**clipped)
