"""Shares of kinds of characters in text columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.metrics._counted import ColumnCounts, Ints, named
from vedette.components.metrics._words import character_counts, known_texts
from vedette_specs import Batch, Result, ResultContext, State


class CharacterShares(ColumnCounts):
    """Of the characters of a column that have a kind, the share of each kind; keys ``column=kind``."""

    NAME: ClassVar[str]
    SHOWN: ClassVar[tuple[str, ...]]

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    @staticmethod
    @abstractmethod
    def kind_of(character: str) -> str | None:
        """One of `SHOWN`; None for a character that is not counted."""

    def counted(self, batch: Batch) -> tuple[Sequence[str], Mapping[str, Ints]]:
        names = pick(batch, self.columns, "text", who=self.NAME)
        counts = {key: np.zeros(len(names), dtype=np.int64) for key in self.COUNTS}
        for i, name in enumerate(names):
            texts = known_texts(batch.inputs[name])
            counts["missing"][i] = len(batch) - len(texts)
            for character, count in character_counts(texts).items():
                kind = self.kind_of(character)
                if kind is not None:
                    counts[kind][i] += count
        return names, counts

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns = state["columns"]
        table = np.array([state[kind] for kind in self.SHOWN], dtype=np.int64).reshape(len(self.SHOWN), len(columns))
        totals = table.sum(axis=0)
        if not totals.any():
            return Result({self.NAME: None}, state["rows"], "insufficient")
        shares: dict[str, float | None] = {}
        for i, name in enumerate(columns):
            for kind, count in zip(self.SHOWN, table[:, i].tolist(), strict=True):
                shares[f"{name}={kind}"] = count / int(totals[i]) if totals[i] else None
        details = {"missing": named(columns, state["missing"]), "characters": named(columns, totals)}
        return Result({self.NAME: shares}, state["rows"], "ok", details)
