"""Distance from the median in units of the interquartile range."""

from __future__ import annotations

import numpy as np

from vedette_specs import Batch, Floats, OutlierDetector, Tags


class MyComponent(OutlierDetector):
    """The largest distance from the reference's median among a row's numeric columns, in interquartile ranges.

    random_state: of the split of the reference into training and calibration rows.
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = [name for name, column in reference.inputs.items() if column.kind == "numeric"]
        if not self.columns_:
            raise ValueError(f"MyComponent needs a numeric input; there are {list(reference.inputs)}")
        low, middle, high = np.nanpercentile(reference.matrix(self.columns_), [25, 50, 75], axis=0)
        self.median_ = middle
        self.range_ = np.where(high > low, high - low, 1.0)

    def score_batch(self, batch: Batch) -> Floats:
        distance = np.abs(batch.matrix(self.columns_) - self.median_) / self.range_
        known = ~np.isnan(distance)
        return np.where(known.any(axis=1), np.where(known, distance, 0.0).max(axis=1), np.nan)
