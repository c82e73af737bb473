"""Where nothing has shifted, every method's estimates are as near to the truth as it says."""

from __future__ import annotations

import numpy as np
import pytest
from tests.components.metrics.populations import SCHEMA, inputs_shifted

import vedette

NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc"]


@pytest.mark.slow
@pytest.mark.parametrize("use", ["cbpe", "pape", "label_shift"])
@pytest.mark.parametrize("reference_rows", [1500, 20_000])
def test_realised_values_lie_within_two_standard_errors(use, reference_rows):
    """Some 95 % do, whether most of the chance is in the window's labels or in those of the reference."""
    rng = np.random.default_rng(10)
    realised = {name: vedette.make(name).bind(SCHEMA) for name in NAMES}
    inside = dict.fromkeys(NAMES, 0)
    for _ in range(200):
        part = vedette.make(use, estimate=NAMES).fit(inputs_shifted(rng, reference_rows))
        window = inputs_shifted(rng, 1000)
        result = part.compute(window)
        for name, metric in realised.items():
            off = result.values[name] - metric.compute(window).values[name]
            inside[name] += abs(off) <= 2.0 * result.details["standard_error"][name]
    assert all(0.9 <= count / 200 <= 0.995 for count in inside.values()), inside
