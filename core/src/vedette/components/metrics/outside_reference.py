"""Share of values outside the bulk of the reference."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._bounds import OutsideBounds
from vedette_specs import Floats, Tags


class OutsideReference(OutsideBounds):
    """Per numeric column: the share of known values outside the reference's quantiles (`outside_reference`), below
    (`outside_reference_below`) and above them (`outside_reference_above`), in [0, 1].

    low, high: levels of the quantiles (0.01 and 0.99): about 1 - (high - low) = 0.02 is expected without a change.
    columns: numeric input columns; all of them when None.
    Missing values are left out and counted in details; infinite ones are outside.
    """

    NAME = "outside_reference"
    tags = Tags(modalities=("numeric",))

    def __init__(self, low: float = 0.01, high: float = 0.99, columns: list[str] | None = None) -> None:
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"outside_reference: low is {low} and high is {high}; allowed: 0 <= low < high <= 1")
        self.low = low
        self.high = high
        self.columns = columns

    def bounds(self, values: Floats) -> tuple[float, float]:
        low, high = np.quantile(values, [self.low, self.high])
        return float(low), float(high)
