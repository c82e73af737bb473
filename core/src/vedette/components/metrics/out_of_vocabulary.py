"""Share of words that the reference does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vedette.components.metrics._columns import by_column, pick
from vedette.components.metrics._counted import ColumnCounts, Ints, named, ratio
from vedette.components.metrics._words import known_texts, words
from vedette_specs import Batch, Fittable, Result, ResultContext, State, Tags


class OutOfVocabulary(ColumnCounts, Fittable):
    """Per text column: the share of its words (runs of letters, digits and underscores, in lower case) that are not in
    the vocabulary of the reference (`out_of_vocabulary`, in [0, 1]).

    max_vocabulary: words of a column that are kept, the commonest; `details.expected` is the share of the reference's
    own words outside it.  columns: text columns; all of them when None.
    Missing texts are left out and counted in details; a text without a word counts nothing.
    """

    COUNTS = ("words", "unknown", "missing")
    tags = Tags(modalities=("text",))

    columns_: list[str]
    vocabulary_: list[list[str]]
    expected_: list[float | None]

    def __init__(self, columns: list[str] | None = None, max_vocabulary: int = 50_000) -> None:
        if not 1 <= max_vocabulary <= 1_000_000:
            raise ValueError(f"out_of_vocabulary: max_vocabulary is {max_vocabulary}; allowed: 1 to 1000000")
        self.columns = columns
        self.max_vocabulary = max_vocabulary
        self._sets: list[frozenset[str]] | None = None

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, "text", who="out_of_vocabulary")
        self.vocabulary_, self.expected_, self._sets = [], [], None
        for name in self.columns_:
            counts = Counter(word for text in known_texts(reference.inputs[name]) for word in words(text))
            kept = sorted(counts, key=lambda word: (-counts[word], word))[: self.max_vocabulary]
            total = counts.total()
            self.vocabulary_.append(kept)
            self.expected_.append(1.0 - sum(counts[word] for word in kept) / total if total else None)

    def from_state(self, state: Mapping[str, Any]) -> OutOfVocabulary:
        self._sets = None
        return super().from_state(state)

    def _known(self) -> list[frozenset[str]]:
        if self._sets is None:
            self._sets = [frozenset(kept) for kept in self.vocabulary_]
        return self._sets

    def counted(self, batch: Batch) -> tuple[Sequence[str], Mapping[str, Ints]]:
        self.check_fitted()
        names = pick(batch, self.columns_, "text", who="out_of_vocabulary")
        counts = {key: np.zeros(len(names), dtype=np.int64) for key in self.COUNTS}
        for i, (name, known) in enumerate(zip(names, self._known(), strict=True)):
            texts = known_texts(batch.inputs[name])
            found = Counter(word for text in texts for word in words(text))
            counts["missing"][i] = len(batch) - len(texts)
            counts["words"][i] = found.total()
            counts["unknown"][i] = sum(count for word, count in found.items() if word not in known)
        return names, counts

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns, total = state["columns"], state["words"]
        if not total.any():
            return Result({"out_of_vocabulary": None}, state["rows"], "insufficient")
        details = {
            "words": named(columns, total),
            "missing": named(columns, state["missing"]),
            "expected": dict(zip(self.columns_, self.expected_, strict=True)),
        }
        return Result(
            {"out_of_vocabulary": by_column(columns, ratio(state["unknown"], total))}, state["rows"], "ok", details
        )
