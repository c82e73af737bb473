"""Labelled windows mature in any order: which of their results a rule over several monitors has judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vedette.store.results import StoredResult
from vedette_specs.codec import decode, encode


@dataclass(frozen=True)
class Matured:
    """ends: result id -> end of its window, of those that may still have neighbours to come."""

    ends: dict[int, float] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> Matured | None:
        """None for the memory of another kind of rule, which had this rule's name before."""
        state = decode(data)
        if "ids" not in state:
            return None
        return cls(dict(zip(state["ids"].tolist(), state["ends"].tolist(), strict=True)))

    def to_bytes(self) -> bytes:
        ids = np.array(list(self.ends), dtype=np.int64)
        return encode({"ids": ids, "ends": np.array(list(self.ends.values()), dtype=np.float64)})

    def __contains__(self, result: StoredResult) -> bool:
        return result.id in self.ends

    def joined(self, found: Iterable[StoredResult], oldest: float) -> Matured:
        """With these results, without those that ended before `oldest`: by then all have matured."""
        ends = {**self.ends, **{r.id: r.end for r in found if r.id is not None}}
        return Matured({number: end for number, end in ends.items() if end >= oldest})
