"""What all tests of a window against the reference share: options, the missingness channel, the decision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.drift._missing import missing_p_value
from vedette_specs import Batch, DriftDetector, FeatureVerdict, ResultContext, State, Verdict
from vedette_specs.decisions import CORRECTIONS, Correction, adjust

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Findings:
    """Tests of single features before the decision (their `drifted` is None), and what else is worth showing."""

    tests: tuple[FeatureVerdict, ...]
    details: dict[str, Any]


class WindowTest(DriftDetector):
    """Options: columns to test (all that fit when None); alpha, the error rate over all features of one window;
    correction for testing many features: `bh`, `by`, `bonferroni` or `none`; min_rows without missing values that
    the window and the reference must have for a decision."""

    def __init__(
        self,
        columns: list[str] | None = None,
        alpha: float = 0.01,
        correction: Correction = "bh",
        min_rows: int = 30,
    ) -> None:
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"alpha is {alpha}; allowed: between 0 and 1")
        if correction not in CORRECTIONS:
            raise ValueError(f"correction is {correction!r}; allowed: {', '.join(CORRECTIONS)}")
        if min_rows < 1:
            raise ValueError(f"min_rows is {min_rows}; allowed: 1 or more")
        self.columns = columns
        self.alpha = alpha
        self.correction: Correction = correction
        self.min_rows = min_rows

    @abstractmethod
    def findings(self, state: State) -> Findings:
        """The tests of all features, undecided."""

    def result(self, state: State, ctx: ResultContext) -> Verdict:
        self.check_fitted()
        return self.decide(self.findings(state), state["n"])

    def decide(self, findings: Findings, n: int) -> Verdict:
        """The verdict over all features: some test is rejected at `alpha` after the correction.

        Its p-value is the least adjusted one, which is a p-value of "nothing drifted" (not with correction `none`).
        """
        p = np.array([np.nan if not self._enough(t) else t.p_value for t in findings.tests], dtype=np.float64)
        adjusted = adjust(p, self.correction)
        known = ~np.isnan(adjusted)
        features = tuple(
            replace(test, drifted=bool(q <= self.alpha) if here else None, p_value=test.p_value if here else None)
            for test, q, here in zip(findings.tests, adjusted, known, strict=True)
        )
        least = float(adjusted[known].min()) if known.any() else None
        shown = {f.feature: float(q) for f, q in zip(features, adjusted, strict=True) if q == q}
        return Verdict.of(
            features,
            n=n,
            drifted=None if least is None else least <= self.alpha,
            p_value=least,
            correction=self.correction,
            details={"alpha": self.alpha, "adjusted_p_value": shown, **findings.details},
        )

    def _enough(self, test: FeatureVerdict) -> bool:
        return test.p_value is not None and min(test.n, test.n_reference) >= self.min_rows


def missing_tests(names: Sequence[str], reference: Ints, rows: int, window: Ints, n: int) -> list[FeatureVerdict]:
    """Missingness of each column as a feature ``column:missing``: Fisher's exact test of the shares.

    reference, window: (d,) missing values of `rows` and `n` rows. Columns with none in both are left out: their
    p-value would be 1 whatever happens, given the total, and would only weaken the correction.
    """
    out = []
    for name, a, b in zip(names, reference.tolist(), window.tolist(), strict=True):
        if a + b == 0:
            continue
        change = b / n - a / rows if n and rows else None
        p_value = missing_p_value(a, rows, b, n) if n and rows else None
        out.append(FeatureVerdict(f"{name}:missing", "missing", change, p_value, change, rows, n, None))
    return out


def column_of(batch: Batch, name: str, who: str) -> Any:
    """The input column; ValueError where the batch has none of this name."""
    if name not in batch.inputs:
        raise ValueError(f"{who}: column {name!r} of the reference is not in the batch; it has {list(batch.inputs)}")
    return batch.inputs[name]
