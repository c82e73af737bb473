"""Rebuilding a tick of a labelled series from stored predictions, after a label in it was corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sqlalchemy import Connection

from vedette.config.plan import MonitorSpec
from vedette.engine.bundle import Bundle
from vedette.engine.reduce.evaluate import ComponentFailed, Evaluator, decode_states
from vedette.engine.running import Bundles, runs
from vedette.engine.work.accumulate import Accumulator, needs_annotations, ticks_of
from vedette.store import labels, panes, predictions, series
from vedette.store.labels import Label
from vedette.store.panes import Pane
from vedette.store.series import Series
from vedette_specs.batch import Batch
from vedette_specs.codec import encode
from vedette_specs.columns import Floats
from vedette_specs.components import TwoStepMetric
from vedette_specs.convert import label_column
from vedette_specs.schema import Schema


def recompute_tick(
    connection: Connection, bundles: Bundles, bundle: Bundle, spec: MonitorSpec, row: Series, tick: int
) -> list[str]:
    """Replace a tick's panes by what the labels in force say; the series' row must be locked. Returns its segments.

    Only predictions that were counted in this series are read.
    Raises ComponentFailed where a component raises on a row: the tick stays as it was.
    """
    series_id = row.id
    old = panes.tick_panes(connection, series_id, tick)
    start, end = tick * spec.tick, (tick + 1) * spec.tick
    of_all = needs_annotations(bundle, spec)
    accumulator = Accumulator(
        bundle, {spec.name: series_id}, [spec], lambda s, segment: series.segment_name(connection, s, segment), True
    )
    for digest, block in predictions.blocks_between(connection, bundle.plan.model, start, end, bundle.plan.schema):
        counted_by = bundles.get(connection, digest)
        if counted_by is None or not runs(counted_by, row) or block.times is None or block.ids is None:
            continue
        part = block.take(ticks_of(block, spec.tick) == tick)  # as it was counted, to the last bit
        requests = [str(item) for item in part.ids] if part.ids is not None else []
        in_force = labels.applied_of_requests(connection, bundle.plan.model, requests)
        read = readable(in_force.values(), bundle.plan.schema)
        found = {key: label for key, label in in_force.items() if label.id in read}
        labelled, lags = attach(part, found, bundle.plan.schema)
        if len(labelled):
            accumulator.add(annotated(connection, bundle.plan.model, labelled) if of_all else labelled, lags)
    counted: dict[str, int] = {}
    for pane in old:
        counted[pane.segment] = counted.get(pane.segment, 0) + pane.rows
    rebuilt, failures = accumulator.take()
    if failures:  # without its rows the tick would be replaced by nothing
        raise ComponentFailed(failures[0].reason)
    parts = {pane.segment: pane for pane in rebuilt if pane.tick == tick}
    fresh = []
    for segment in counted.keys() | parts.keys():
        new = parts.get(segment)
        labelled_rows, lag = (new.labelled, new.lag) if new is not None else (0, 0.0)
        before = [decode_states(pane.state) for pane in old if pane.segment == segment]
        state = _with_predicted(Evaluator(bundle, spec, segment), before, None if new is None else new.state)
        rows_counted = counted.get(segment, 0)
        fresh.append(Pane(series_id, segment, tick, rows_counted, state, labelled_rows, lag, closed=True))
    panes.replace(connection, [pane.id for pane in old], fresh)
    return [pane.segment for pane in fresh]


def _with_predicted(evaluator: Evaluator, before: Iterable[Mapping[str, Any]], labelled: bytes | None) -> bytes | None:
    """The states that labels have made, with what components had counted before any label came.

    Only parts know that: a pool may have counted rows that it has not told yet, whose predictions are stored already.
    """
    states = decode_states(labelled)
    for part in evaluator.spec.components:
        component = evaluator.component(part)
        if isinstance(component, TwoStepMetric):
            for one in before:
                if part.alias in one:
                    predicted = evaluator.guard(component.without_labels, one[part.alias])
                    states = evaluator.merge(states, {part.alias: predicted})
    return encode(states) if states else None


def readable(found: Iterable[Label], schema: Schema) -> set[int]:
    """Ids of the labels whose value the schema can read: a deploy may have changed the task since one came."""
    wanted = list(found)
    try:
        label_column([label.value for label in wanted], schema)
    except (TypeError, ValueError):  # which of them it was is found one by one
        half = len(wanted) // 2
        return readable(wanted[:half], schema) | readable(wanted[half:], schema) if half else set()
    return {label.id for label in wanted}


def attach(rows: Batch, found: dict[tuple[str, int], Label], schema: Schema) -> tuple[Batch, Floats]:
    """(the rows that have a label, with it; (n,) seconds from prediction to label)."""
    assert rows.ids is not None
    assert rows.rows is not None
    keys = list(zip(map(str, rows.ids), map(int, rows.rows), strict=True))
    positions = [i for i, key in enumerate(keys) if key in found]
    chosen = [found[keys[i]] for i in positions]
    part = rows.take(np.asarray(positions, dtype=np.intp))
    times = part.times if part.times is not None else np.zeros(len(part))
    lags = np.asarray([label.time for label in chosen], dtype=np.float64) - times
    return part.replace(labels=label_column([label.value for label in chosen], schema)), lags


def annotated(connection: Connection, model: str, rows: Batch) -> Batch:
    """The rows with the labels of all their annotators."""
    assert rows.ids is not None
    assert rows.rows is not None
    found = labels.of_annotators(connection, model, map(str, rows.ids))
    read = readable(found, rows.schema)
    position = {key: i for i, key in enumerate(zip(map(str, rows.ids), map(int, rows.rows), strict=True))}
    values: dict[str, list[Any]] = {}
    for label in found:
        if label.id in read and label.key in position:
            values.setdefault(label.annotator, [None] * len(rows))[position[label.key]] = label.value
    return rows.replace(annotations={name: label_column(values[name], rows.schema) for name in sorted(values)})
