"""Share of values outside the range that is allowed."""

from __future__ import annotations

from vedette.components.metrics._bounds import OutsideBounds
from vedette_specs import Batch, Floats, Tags


class OutOfRange(OutsideBounds):
    """Per numeric column: the share of known values outside the range (`out_of_range`), below it
    (`out_of_range_below`) and above it (`out_of_range_above`), in [0, 1].

    bounds_by_column: column -> [low, high], both allowed values; null for no bound on that side. Columns that are not
    named take the least and largest finite value of the reference.  columns: numeric input columns; all when None.
    Missing values are left out and counted in details; infinite ones are outside any finite bound.
    """

    NAME = "out_of_range"
    tags = Tags(modalities=("numeric",))

    def __init__(
        self,
        bounds_by_column: dict[str, list[float | None]] | None = None,
        columns: list[str] | None = None,
    ) -> None:
        for name, pair in (bounds_by_column or {}).items():
            low, high = _pair(name, pair)
            if not low <= high:
                raise ValueError(f"out_of_range: bounds_by_column.{name} is {pair}; allowed: [low, high], low <= high")
        self.bounds_by_column = bounds_by_column
        self.columns = columns

    def fit_batch(self, reference: Batch) -> None:
        if absent := [name for name in self.bounds_by_column or {} if name not in reference.inputs]:
            raise ValueError(f"out_of_range: bounds_by_column names {absent}; columns: {list(reference.inputs)}")
        super().fit_batch(reference)

    def _bounds(self, name: str, values: Floats) -> tuple[float, float]:
        if name in (self.bounds_by_column or {}):
            return _pair(name, (self.bounds_by_column or {})[name])
        return super()._bounds(name, values)

    def bounds(self, values: Floats) -> tuple[float, float]:
        return float(values.min()), float(values.max())


def _pair(name: str, pair: list[float | None]) -> tuple[float, float]:
    if len(pair) != 2:
        raise ValueError(f"out_of_range: bounds_by_column.{name} is {pair}; allowed: [low, high]")
    low, high = pair
    return -float("inf") if low is None else float(low), float("inf") if high is None else float(high)
