"""Number of words in texts."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._measured import Measured
from vedette.components.metrics._words import words
from vedette_specs import Column, Floats, Tags


class TokenCounts(Measured):
    """Per text column, in words (runs of letters, digits and underscores): mean (`token_counts`), `token_counts_sd`,
    `_min`, `_max`.

    columns: text columns; all of them when None.  Missing texts are left out and counted in details.
    Languages that are written without spaces count a run as one word.
    """

    MEASURE = "token_counts"
    KINDS = ("text",)
    tags = Tags(modalities=("text",))

    def measured(self, column: Column) -> Floats:
        counts = (np.nan if item is None else len(words(item)) for item in column.values.tolist())
        return np.fromiter(counts, dtype=np.float64, count=len(column))
