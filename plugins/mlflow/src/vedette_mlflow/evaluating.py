"""Evaluated rows through the engine that serves: the same worker, reducer and bundle, so the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.config.plan import MonitorSpec, Plan, WindowSpec
from vedette.engine.capture.answers import read_answers
from vedette_mlflow.asking import predictor
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, Floats, category
from vedette_specs.convert import as_batch, label_column
from vedette_specs.schema import Schema

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle

# One moment and one window that holds it: all rows are judged together, whatever windows serving has.
MOMENT = 0.5
WHOLE = WindowSpec("evaluation", span=1.0, every=1.0)


class BadEvaluation(ValueError):
    """Data, or a model's answers, that do not fit the configuration; names the column."""


@dataclass(frozen=True)
class Evaluated:
    """results, alerts: as `vedette replay --json` gives them.  reference: monitor -> value -> number there."""

    results: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    reference: Mapping[str, Mapping[str, Any]]
    digest: str


def evaluate(plan: Plan, reference: Batch | None, rows: Batch) -> Evaluated:
    """Replay the rows, in a store of their own, and ask for all results."""
    from vedette.engine.bundle import build_bundle
    from vedette.engine.run.replay import replay
    from vedette.plugins import get_registry

    registry = get_registry()
    bundle = build_bundle(at_once(plan), registry, reference)
    service = replay(bundle, registry, rows)
    found = [dict(item) for item in service.results(limit=1_000_000)]
    return Evaluated(found, service.alerts(), _reference(bundle), bundle.digest)


def at_once(plan: Plan) -> Plan:
    """The plan with one window for all rows; nothing is sent anywhere, nobody explains."""
    monitors = tuple(_whole(spec) for spec in plan.monitors)
    return replace(plan, monitors=monitors, sinks=(), explainers=())


def _whole(spec: MonitorSpec) -> MonitorSpec:
    return replace(spec, windows=(WHOLE,) if spec.windows else (), explain=None)


def _reference(bundle: Bundle) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for (monitor, segment), found in bundle.reference_values.items():
        if segment == "":
            values[monitor] = dict(found)
    return values


def batch_of(features: Any, labels: Any, answers: Any, schema: Schema, by: tuple[str, ...] = ()) -> Batch:
    """Rows with what the model answered and the labels; all at the same moment.

    features: DataFrame, or array (n, d) in the schema's order.  answers: what `answers_of` gives.
    """
    frame = _frame(features, schema)
    n = len(frame)
    batch = as_batch({name: frame[name].to_numpy() for name in schema.features}, replace(schema, label=None))
    ids = np.array([str(i) for i in range(n)], dtype=object)
    changes: dict[str, Any] = {
        "schema": schema, "ids": ids, "rows": np.zeros(n, dtype=np.int32), "times": np.full(n, MOMENT),
        "attributes": {name: _segment(frame, name) for name in by if name not in schema.features},
    }  # fmt: skip
    prediction, probabilities = answers
    if prediction is not None:
        changes["prediction"] = label_column(prediction, schema)
    if probabilities is not None:
        changes["probabilities"] = probabilities
    if labels is not None:
        changes["labels"] = _labels(labels, schema)
    return batch.replace(**changes)


def answers_of(model: Any, features: Any, schema: Schema, column: str | None = None) -> tuple[Any, Floats | None]:
    """(prediction, probabilities) of a pyfunc model; column: the one that holds predictions, where it gives several."""
    asked: Any = predictor(model) if hasattr(model, "metadata") else model
    given = asked.predict(features)
    if column is not None and hasattr(given, "columns"):
        if column not in given.columns:
            raise BadEvaluation(f"predictions: {column!r} is no column of the model's; it has {list(given.columns)}")
        given = given[column].to_numpy()
    prediction, probabilities = read_answers(given, len(features), schema, "the model's answer")
    if probabilities is None and hasattr(asked, "predict_proba") and schema.classes:
        probabilities = _ordered(asked.predict_proba(features), asked.classes_, schema)
    return prediction, probabilities


def _ordered(probabilities: Any, classes: Any, schema: Schema) -> Floats | None:
    """(n, classes) in the schema's order; None where the model has other classes than the schema."""
    known = list(category(list(classes)).categories)
    if not set(schema.classes) <= set(known):
        return None
    array: Floats = np.asarray(probabilities, dtype=np.float64)[:, [known.index(name) for name in schema.classes]]
    return array


def _frame(features: Any, schema: Schema) -> Any:
    import pandas as pd

    if isinstance(features, pd.DataFrame):
        frame = features.rename(columns=str)
        if missing := [name for name in schema.features if name not in frame]:
            raise BadEvaluation(f"data: column {missing[0]!r} is missing; it has {', '.join(map(str, frame.columns))}")
        return frame
    array = np.asarray(features)
    if array.ndim != 2 or array.shape[1] != len(schema.features):
        raise BadEvaluation(f"data: an array of shape (n, {len(schema.features)}) is needed, not {array.shape}")
    return pd.DataFrame(array, columns=list(schema.features))


def _segment(frame: Any, name: str) -> Column:
    if name not in frame:
        raise BadEvaluation(f"data: column {name!r}, by which monitors are split, is missing")
    return category(frame[name].tolist())


def _labels(labels: Any, schema: Schema) -> Column:
    values = np.asarray(labels).tolist()
    if schema.task != "regression" and schema.classes:
        unknown = [text for text in category(values).categories if text not in schema.classes]
        if unknown:
            raise BadEvaluation(f"targets: {unknown[0]!r} is no class; allowed: {', '.join(schema.classes)}")
    return label_column(values, schema)
