"""What preprocessors keep: the same rows, each on its own."""

from __future__ import annotations

import numpy as np

from vedette.testing.checks._table import check
from vedette.testing.lab import Lab, require, same
from vedette_specs import Batch, Preprocessor

TOLERANCE = 1e-9


def _rows(batch: Batch) -> list[list[object]]:
    columns = [column.to_list() for column in batch.inputs.values()]
    return [[column[i] for column in columns] for i in range(len(batch))]


@check(Preprocessor)
def rows_are_transformed_alone(lab: Lab) -> None:
    """A row comes out the same alone, among others, or in another order; transforming changes nothing."""
    preprocessor = lab.ready()
    rows = lab.traffic(60)
    whole = _rows(preprocessor.transform(rows))
    alone = [_rows(preprocessor.transform(rows.take([i])))[0] for i in range(0, 60, 7)]
    same(alone, whole[::7], TOLERANCE, "a row alone is transformed differently")
    order = np.random.default_rng(0).permutation(60)
    mixed = _rows(preprocessor.transform(rows.take(order)))
    same(mixed, [whole[i] for i in order.tolist()], TOLERANCE, "a row is transformed differently in another order")
    preprocessor.transform(lab.traffic(500, seed=5, shift=8.0))
    same(_rows(preprocessor.transform(rows)), whole, 0.0, "transforming changes the preprocessor")


@check(Preprocessor)
def rows_keep_what_is_not_input(lab: Lab) -> None:
    """Ids, times, predictions, labels and attributes pass through."""
    rows = lab.traffic(30)
    out = lab.ready().transform(rows)
    require(len(out) == len(rows), f"{len(rows)} rows become {len(out)}")
    require(len(out.inputs) > 0, "no input column is left")
    for name in ("ids", "rows", "times", "prediction", "probabilities", "labels"):
        require(getattr(out, name) is getattr(rows, name), f"{name} does not pass through")
    require(dict(out.attributes) == dict(rows.attributes), "attributes do not pass through")
