"""The schema: what `schema:` says, and for the rest what the reference shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.config.columns import is_feature
from vedette.config.faults import did_you_mean
from vedette.config.files import BadReference
from vedette.config.models import SchemaSection
from vedette.config.reference import answer_columns, check_columns
from vedette_specs import Batch, Column, Schema
from vedette_specs.columns import number_text
from vedette_specs.convert import infer_kind
from vedette_specs.schema import Kind, Task

MAX_CLASSES = 20  # more distinct whole numbers than that are a regression's target
LABEL_NAMES = ("label", "target")  # what a label column is called where nobody says


def infer_schema(
    said: SchemaSection, columns: Mapping[str, Any] | Batch | None, inputs: Mapping[str, Kind] | None = None
) -> Schema:
    """The model's schema; BadReference where `schema:` and the reference do not fit each other.

    inputs: what the model itself says of its features, for a `schema:` that says nothing of them.
    """
    if isinstance(columns, Batch):
        columns = {**columns.inputs, **_batch_labels(said, columns)}
    label = _label(said, columns)
    values = None if columns is None or label is None else columns.get(label)
    task, classes = _task(said, label, values)
    return Schema(
        features=_features(said, columns, label, classes, inputs),
        task=task,
        classes=classes,
        positive=_positive(said, task, classes),
        threshold=said.threshold,
        label=label,
    )


def _batch_labels(said: SchemaSection, batch: Batch) -> dict[str, Any]:
    return {} if batch.labels is None else {said.label or LABEL_NAMES[0]: batch.labels}


def _label(said: SchemaSection, columns: Mapping[str, Any] | None) -> str | None:
    if said.label is None:
        if columns is None or said.features is not None or said.task == "none":
            return None
        return next((name for name in columns if name.lower() in LABEL_NAMES), None)
    if columns is not None and said.label not in columns:
        raise BadReference(
            f"the reference has no label column {said.label!r}{did_you_mean(said.label, columns)}", ("label",)
        )
    return said.label


def _features(
    said: SchemaSection,
    columns: Mapping[str, Any] | None,
    label: str | None,
    classes: tuple[str, ...],
    inputs: Mapping[str, Kind] | None,
) -> dict[str, Kind]:
    if said.features is None and inputs is not None:
        return _features_of_model(inputs, columns, label)
    if said.features is None:
        found = {} if columns is None else columns
        others = {label} | answer_columns(found, classes)
        return {name: _kind(values) for name, values in found.items() if name not in others and is_feature(values)}
    if label in said.features:
        raise BadReference(f"the label column {label!r} is no feature", ("features", str(label)))
    if columns is not None:
        check_columns(said.features, columns)
        return {n: _kind(columns[n]) if kind == "auto" else kind for n, kind in said.features.items()}
    unknown = next((name for name, kind in said.features.items() if kind == "auto"), None)
    if unknown is not None:
        raise BadReference(f"the kind of {unknown!r} can only be inferred from a reference", ("features", unknown))
    return {name: kind for name, kind in said.features.items() if kind != "auto"}


def _features_of_model(
    inputs: Mapping[str, Kind], columns: Mapping[str, Any] | None, label: str | None
) -> dict[str, Kind]:
    """The model's own inputs; what kind they are is seen in the reference, where there is one."""
    if label in inputs:
        raise BadReference(f"the label column {label!r} is an input of the model", ("label",))
    if columns is None:
        return dict(inputs)
    try:
        check_columns(inputs, columns)
    except BadReference as error:
        raise BadReference(f"{error}; the model's signature asks for it, unless `features` are given") from error
    return {name: _kind(columns[name]) for name in inputs}


def _kind(values: Any) -> Kind:
    return values.kind if isinstance(values, Column) else infer_kind(values)


def _task(said: SchemaSection, label: str | None, values: Any) -> tuple[Task, tuple[str, ...]]:
    seen = None if values is None else _classes(values)
    if said.classes is not None:
        classes = tuple(said.classes)
        _check_classes(said, classes, label, values)
    elif said.task in ("regression", "none") or seen is None:
        classes = ()
    else:
        classes = seen
    if said.task is None:
        numeric = values is not None and not classes
        return ("regression" if numeric else _by_number(classes)), classes
    _check_task(said, classes, label)
    return said.task, classes if said.task in ("binary", "multiclass") else ()


def _by_number(classes: tuple[str, ...]) -> Task:
    return "none" if len(classes) < 2 else "binary" if len(classes) == 2 else "multiclass"


def _check_task(said: SchemaSection, classes: tuple[str, ...], label: str | None) -> None:
    if said.task == "binary" and len(classes) != 2:
        found = (
            f"{len(classes)} classes: {list(classes[:10])}" if classes else "no classes; give them or a label column"
        )
        raise BadReference(f"a binary task has two classes, but there are {found}", ("task",))
    if said.task == "multiclass" and len(classes) < 2:
        raise BadReference("a multiclass task has two classes or more; give them or a label column", ("task",))
    if said.task in ("regression", "none") and said.classes is not None:
        raise BadReference(f"a task {said.task!r} has no classes", ("classes",))


def _classes(values: Any) -> tuple[str, ...] | None:
    """The classes of a label column, sorted (numbers as numbers); None for what only a regression predicts."""
    if isinstance(values, Column) and values.kind == "category":
        used = np.unique(values.values[values.values >= 0])
        return tuple(values.categories[code] for code in used.tolist())
    if isinstance(values, Column) and values.kind == "numeric":
        distinct = np.unique(values.values[~np.isnan(values.values)])
        whole = bool(np.all(distinct == np.round(distinct)))
        return tuple(map(number_text, distinct.tolist())) if whole and len(distinct) <= MAX_CLASSES else None
    if isinstance(values, Column) and values.kind == "text":
        return tuple(sorted({str(item) for item in values.values if item is not None}))
    return None


def _check_classes(said: SchemaSection, classes: tuple[str, ...], label: str | None, values: Any) -> None:
    if len(set(classes)) < len(classes):
        raise BadReference(f"the classes {list(classes)} name one twice", ("classes",))
    if values is None or not isinstance(values, Column):
        return
    for name in _classes(values) or sorted({text for text in values.strings() if text is not None}):
        if name not in classes:
            raise BadReference(
                f"the label column {label!r} holds {name!r}, which is not among the classes {list(classes)}",
                ("classes",),
            )


def _positive(said: SchemaSection, task: Task, classes: tuple[str, ...]) -> str | None:
    if said.positive is None:
        return classes[-1] if task == "binary" else None
    if said.positive not in classes:
        where = did_you_mean(said.positive, classes) if classes else "; there are no classes"
        raise BadReference(f"{said.positive!r} is not one of the classes{where}", ("positive",))
    return said.positive
