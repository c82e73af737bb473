"""The right test for every column of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from vedette.components.drift._window_test import Findings, Ints, WindowTest, column_of, missing_tests
from vedette.components.drift.chi2 import Chi2
from vedette.components.drift.ks import KS
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, State, Tags
from vedette_specs.decisions import Correction

_PARTS = ("ks", "chi2")


class Tabular(WindowTest):
    """`ks` for numeric columns, `chi2` for category columns, and missingness for columns of every kind, corrected for
    multiple testing over all of them together.

    columns: input columns; all of them when None.
    alpha, correction, min_rows: as for `ks`.  max_reference: see `ks`.  max_categories: see `chi2`.
    """

    tags = Tags()

    others_: list[str]
    missing_: Ints
    rows_: int

    def __init__(
        self,
        columns: list[str] | None = None,
        alpha: float = 0.01,
        correction: Correction = "bh",
        min_rows: int = 30,
        max_reference: int = 10_000,
        max_categories: int = 1000,
    ) -> None:
        super().__init__(columns, alpha, correction, min_rows)
        self.max_reference = max_reference
        self.max_categories = max_categories
        self._ks = KS(columns, alpha, correction, min_rows, max_reference)
        self._chi2 = Chi2(columns, alpha, correction, min_rows, max_categories)

    def fit_batch(self, reference: Batch) -> None:
        names = pick(reference, self.columns, who="tabular")
        kinds = {name: reference.inputs[name].kind for name in names}
        self._make_parts([k for k in names if kinds[k] == "numeric"], [k for k in names if kinds[k] == "category"])
        self._ks.fit(reference)
        self._chi2.fit(reference)
        self.others_ = [name for name in names if kinds[name] not in ("numeric", "category")]
        self.missing_ = _missing(reference, self.others_)
        self.rows_ = len(reference)

    def _make_parts(self, numeric: list[str], category: list[str]) -> None:
        self._ks = KS(numeric, self.alpha, self.correction, self.min_rows, self.max_reference)
        self._chi2 = Chi2(category, self.alpha, self.correction, self.min_rows, self.max_categories)

    def to_state(self) -> State:
        """Own fitted attributes, and those of the two tests as `ks.*_` and `chi2.*_`."""
        parts = zip(_PARTS, (self._ks, self._chi2), strict=True)
        return super().to_state() | {f"{p}.{k}": v for p, test in parts for k, v in test.to_state().items()}

    def from_state(self, state: Mapping[str, Any]) -> Self:
        own = {key: value for key, value in state.items() if "." not in key}
        inner = {p: {k[len(p) + 1 :]: v for k, v in state.items() if k.startswith(f"{p}.")} for p in _PARTS}
        self._make_parts(list(inner["ks"]["columns_"]), list(inner["chi2"]["columns_"]))
        self._ks.from_state(inner["ks"])
        self._chi2.from_state(inner["chi2"])
        return super().from_state(own)

    def create(self) -> State:
        self.check_fitted()
        return {"n": 0, "ks": self._ks.create(), "chi2": self._chi2.create(), "missing": [0] * len(self.others_)}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        gone = _missing(batch, self.others_).tolist()
        return {
            "n": state["n"] + len(batch),
            "ks": self._ks.add(state["ks"], batch),
            "chi2": self._chi2.add(state["chi2"], batch),
            "missing": [a + b for a, b in zip(state["missing"], gone, strict=True)],
        }

    def merge(self, left: State, right: State) -> State:
        return {
            "n": left["n"] + right["n"],
            "ks": self._ks.merge(left["ks"], right["ks"]),
            "chi2": self._chi2.merge(left["chi2"], right["chi2"]),
            "missing": [a + b for a, b in zip(left["missing"], right["missing"], strict=True)],
        }

    def findings(self, state: State) -> Findings:
        numeric, category = self._ks.findings(state["ks"]), self._chi2.findings(state["chi2"])
        missing = np.array(state["missing"], dtype=np.int64)
        rest = missing_tests(self.others_, self.missing_, self.rows_, missing, state["n"])
        return Findings((*numeric.tests, *category.tests, *rest), {**numeric.details, **category.details})


def _missing(batch: Batch, names: list[str]) -> Ints:
    columns = [column_of(batch, name, "tabular") for name in names]
    gone = [int(np.count_nonzero(column.missing())) if len(batch) else 0 for column in columns]
    return np.array(gone, dtype=np.int64)
