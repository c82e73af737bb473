"""Results as people look at them: a table with one row a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vedette.engine.reasons import INSUFFICIENT, unreliable

if TYPE_CHECKING:
    import pandas as pd


class Results(Sequence[Mapping[str, Any]]):
    """A list of results as JSON mappings, oldest first."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def to_frame(self) -> pd.DataFrame:
        """One row a value: monitor, window, segment, start, end, revision, status, n, value, column, number."""
        import pandas as pd

        names = ["monitor", "window", "segment", "start", "end", "revision", "status", "n", "value", "column", "number"]
        frame = pd.DataFrame(list(self._cells()), columns=names)
        for name in ("start", "end"):
            frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
        return frame

    def _cells(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            keys = ("monitor", "window", "segment", "start", "end", "revision", "status", "n")
            *head, status, n = (row[key] for key in keys)
            few = unreliable(row["details"])
            for name, value in row["values"].items():
                standing = INSUFFICIENT if name in few else status
                cells = value.items() if isinstance(value, Mapping) else [(None, value)]
                yield from ((*head, standing, n, name, column, number) for column, number in cells)

    def __repr__(self) -> str:
        return f"Results({len(self)} windows)"
