"""Labels that come late, shuffled, twice, wrong at first or never: the accuracy of every week is the offline one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.elec2 import CLASSES, FIRST, STEP, Stream, feedback, read, serve

from vedette_specs import Batch, Schema, category, numeric

FEATURES = [f"feat_{i}" for i in range(1, 7)]
SCHEMA = Schema(dict.fromkeys(FEATURES, "numeric"), "binary", CLASSES, "up")


def batch(rng: np.random.Generator, n: int) -> tuple[Batch, np.ndarray]:
    """Rows with calibrated probabilities, and what came true."""
    p = rng.beta(2, 2, n)
    inputs = {name: numeric(rng.normal(size=n)) for name in FEATURES}
    prediction = category(np.where(p >= 0.5, "up", "down"), CLASSES)
    return Batch(inputs, SCHEMA, prediction=prediction, probabilities=np.column_stack([1 - p, p])), rng.random(n) < p


def made_up(days: int) -> Stream:
    rng = np.random.default_rng(3)
    reference, truth = batch(rng, 500)
    rows, later = batch(rng, 48 * days)
    labels = category(np.where(truth, "up", "down"), CLASSES)
    return Stream(reference.replace(labels=labels), rows.replace(times=FIRST + STEP * np.arange(len(rows))), later)


def test_a_made_up_stream() -> None:
    stream = made_up(days=17)
    items = [item for _, item in feedback(stream, np.random.default_rng(0))]
    by_row: dict[str, list[str]] = {}
    for item in items:
        by_row.setdefault(item["id"], []).append(item["label"])
    assert len(by_row) < len(stream.truth), "some are never sent"
    assert any(len(set(values)) == 2 for values in by_row.values()), "some are corrected"
    done = serve(stream)
    assert len(done.accuracy) == 4
    assert done.estimated.keys() == done.accuracy.keys()
    assert all(abs(done.estimated[week] - value) < 0.15 for week, value in done.accuracy.items()), "it is calibrated"
    assert done.differing == []
    assert done.counters["labels_applied"] == len(by_row)
    assert 0.85 < done.labels["coverage"] < 0.95
    assert DAY_AND_QUARTER * 0.95 < done.labels["lag"] < DAY_AND_QUARTER * 1.1


DAY_AND_QUARTER = 1.25 * 86_400.0


@pytest.mark.slow
def test_elec2() -> None:
    folder = os.environ.get("VEDETTE_DATA", "")
    path = Path(folder, "elec2.parquet")
    if not folder or not path.is_file():
        pytest.skip(f"VEDETTE_DATA is {folder!r}: name a folder that holds elec2.parquet")
    done = serve(read(path), days_a_flush=7)
    assert len(done.accuracy) == 109
    assert done.differing == []
    assert done.estimated.keys() == done.accuracy.keys()
    assert max(done.accuracy.values()) - min(done.accuracy.values()) > 0.1, "there is something to be seen"
