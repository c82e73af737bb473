"""Length of texts."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._measured import Measured
from vedette_specs import Column, Floats, Tags


class TextLength(Measured):
    """Per text column, in characters (code points): mean (`text_length`), `text_length_sd`, `_min`, `_max`.

    columns: text columns; all of them when None.  Missing texts are left out and counted in details; an empty text has
    length 0.
    """

    MEASURE = "text_length"
    KINDS = ("text",)
    tags = Tags(modalities=("text",))

    def measured(self, column: Column) -> Floats:
        lengths = (np.nan if item is None else len(item) for item in column.values.tolist())
        return np.fromiter(lengths, dtype=np.float64, count=len(column))
