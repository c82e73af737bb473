"""Explanations over HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from vedette.testing.lab import require
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.model import CLASSES, FEATURES, answer, make_rows
from vedette.testing.platforms.monitors import wait_for
from vedette.testing.platforms.platform import Row

ADDITIVITY = 1e-6


def instances_are_explained(bench: Bench) -> None:
    """`explain` answers for instances; asking the model for it is no traffic."""
    watched = bench.watched
    rows = make_rows(2, seed=500)
    watched.predict(rows)  # platforms learn from a request how the model wants to be asked
    watched.settle()
    found = watched.monitors.explain({"instances": rows})
    require(len(found) == len(rows), f"{len(found)} explanations of {len(rows)} rows")
    for row, explanation in zip(rows, found, strict=True):
        _explains(explanation, row)
    watched.predict(rows)  # had the model been tapped while it was asked, more rows would be counted than were sent
    watched.settle()


def past_predictions_are_explained(bench: Bench) -> None:
    """`explain` answers for the id and row of a prediction."""
    watched = bench.watched
    name, rows = f"asked-{uuid4().hex[:8]}", make_rows(2, seed=501)
    watched.predict(rows, name=name)
    wait_for(lambda: watched.monitors.prediction(name), lambda: f"no prediction is stored under {name!r}")
    (found,) = watched.monitors.explain({"id": name, "row": 1})
    _explains(found, rows[1])


def _explains(explanation: Mapping[str, Any], row: Row) -> None:
    """Attributions of every feature that add up to the model's own answer."""
    data = explanation["data"]
    for output, probability in zip(CLASSES, answer([row])["probabilities"][0], strict=True):
        attributions = data["shap_values"][output]
        require(set(attributions) == set(FEATURES), f"attributions of {sorted(attributions)}, not {list(FEATURES)}")
        total = data["expected_value"][output] + math.fsum(attributions.values())
        what = f"{output}: {total:.9g} is explained, the model says {probability:.9g}"
        require(abs(total - probability) <= ADDITIVITY, what)
