"""Reference rows from a file or URI, as a batch that fits the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlparse

import numpy as np

from vedette.config.columns import arrow_columns, is_feature
from vedette.config.faults import did_you_mean
from vedette.config.files import BadReference, existing, not_utf8
from vedette.config.plan import Plan
from vedette_specs import Batch, Column, Floats, Schema, as_batch, category, make_column
from vedette_specs.convert import infer_kind

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".csv.gz")
PREDICTION = "prediction"


class ReferenceHook(Protocol):
    """What a registry offers for URIs that plugins know."""

    def load_reference(self, uri: str) -> Any: ...


def load_reference(
    plan_or_uri: Plan | str, schema: Schema | None = None, registry: ReferenceHook | None = None
) -> Batch:
    """The reference as a batch of the schema's columns, with labels where it has them; raises BadReference."""
    uri = plan_or_uri.reference if isinstance(plan_or_uri, Plan) else plan_or_uri
    if schema is None and isinstance(plan_or_uri, Plan):
        schema = plan_or_uri.schema
    if uri is None:
        raise BadReference("the configuration has no reference")
    by = {name for monitor in plan_or_uri.monitors for name in monitor.by} if isinstance(plan_or_uri, Plan) else set()
    return fit_reference(read_columns(uri, registry), schema or Schema(), attributes=by)


def fit_reference(
    columns: Mapping[str, Any] | Batch,
    schema: Schema,
    *,
    attributes: Iterable[str] = (),
    what: str = "the reference",
) -> Batch:
    """Columns as a batch of `schema`; raises BadReference naming column, value and what is allowed.

    attributes: columns that segments are made of, kept where they are there and no features.  what: the rows' name.
    """
    if isinstance(columns, Batch):
        check_columns(schema.features, columns.inputs, what)
        return columns.select(list(schema.features)).replace(schema=schema) if schema.features else columns
    names = list(schema.features)
    if not names:
        others = answer_columns(columns, schema.classes) | {schema.label}
        names = [name for name, values in columns.items() if is_feature(values) and name not in others]
    check_columns(names, columns, what)
    wanted = {name: _convert(name, columns[name], schema, what) for name in names}
    try:
        batch = as_batch(wanted, schema if schema.label is None else replace(schema, label=None))
    except (TypeError, ValueError) as error:
        raise BadReference(str(error)) from error
    full = replace(schema, features=batch.schema.features)
    labels = columns.get(schema.label) if schema.label else None
    answers = answer_columns(columns, schema.classes) - set(names)
    prediction = columns[PREDICTION] if PREDICTION in answers else None
    return batch.replace(
        schema=full,
        labels=None if labels is None else _labels(labels, schema, f"label column {schema.label!r}", what),
        prediction=None if prediction is None else _labels(prediction, schema, f"column {PREDICTION!r}", what),
        probabilities=_probabilities(columns, schema, what) if answers - {PREDICTION} else None,
        attributes=_attributes(columns, set(attributes) - set(names)),
    )


def _attributes(columns: Mapping[str, Any], names: set[str]) -> dict[str, Column]:
    found = {name: columns[name] for name in sorted(names) if name in columns and is_feature(columns[name])}
    return {name: category(_as_column(values).strings()) for name, values in found.items()}


def _as_column(values: Any) -> Column:
    return values if isinstance(values, Column) else make_column(infer_kind(values), values)


def answer_columns(columns: Mapping[str, Any], classes: Sequence[str]) -> set[str]:
    """The reference's columns that are answers of the model: `prediction`, and `p_<class>` where all classes are."""
    found = {PREDICTION} & set(columns)
    shares = {f"p_{name}" for name in classes}
    return found | shares if shares <= set(columns) else found


def _probabilities(columns: Mapping[str, Any], schema: Schema, what: str) -> Floats:
    """(n, classes) in the order of the classes."""
    parts = [(f"p_{name}", columns[f"p_{name}"]) for name in schema.classes]
    return np.column_stack([_numeric(f"column {name!r}", values, ("classes",), what).values for name, values in parts])


def check_columns(names: Iterable[str], columns: Mapping[str, Any], what: str = "the reference") -> None:
    """BadReference for the columns that the reference has not."""
    absent = [
        BadReference(f"{what} has no column {name!r}{did_you_mean(name, columns)}", ("features", name))
        for name in names
        if name not in columns
    ]
    if absent:
        absent[0].all = tuple(absent)
        raise absent[0]


def _labels(values: Any, schema: Schema, which: str, what: str) -> Column:
    """Numbers for a regression, else codes of the schema's classes."""
    if schema.task == "regression":
        return _numeric(which, values, ("task",), what)
    column = _as_column(values)
    unseen = [text for text in np.unique([t for t in column.strings() if t is not None]) if text not in schema.classes]
    if unseen and schema.classes:
        allowed = ", ".join(schema.classes)
        raise BadReference(f"the {which} holds {str(unseen[0])!r}; allowed: {allowed}", ("classes",))
    return category(column.strings(), schema.classes)


def read_columns(uri: str, registry: ReferenceHook | None = None) -> Mapping[str, Any] | Batch:
    """Column name -> values (a Column or an array), or a batch that a plugin loaded."""
    path = local_path(uri)
    if path is None:
        return _from_plugin(uri, registry)
    return _read_file(existing(path))


def local_path(uri: str) -> Path | None:
    """The file that a reference names; None for other URIs."""
    parts = urlparse(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if len(parts.scheme) > 1 or "://" in uri:
        return None
    return Path(uri)


def _from_plugin(uri: str, registry: ReferenceHook | None) -> Mapping[str, Any] | Batch:
    loaded = registry.load_reference(uri) if registry is not None else None
    if loaded is None:
        raise BadReference(f"no plugin loads {uri!r}; allowed: a parquet or csv file, or a URI that a plugin knows")
    if isinstance(loaded, Batch):
        return loaded
    return dict(as_batch(loaded).inputs)


def _read_file(path: Path) -> Mapping[str, Any]:
    import pyarrow as pa

    name = path.name.lower()
    try:
        if name.endswith(PARQUET):
            import pyarrow.parquet as pq

            return arrow_columns(_unique(path, pq.read_table(path)))
        if name.endswith(CSV):
            return arrow_columns(_unique(path, _read_csv(path)))
    except UnicodeDecodeError as error:  # in the names of the columns
        raise BadReference(f"the file {str(path)!r} cannot be read: {not_utf8(path) or error}") from error
    except (pa.ArrowException, OSError) as error:
        raise BadReference(f"the file {str(path)!r} cannot be read: {str(error).splitlines()[0]}") from error
    raise BadReference(f"{str(path)!r} is of no known form; allowed: {', '.join((*PARQUET, *CSV))}")


def _read_csv(path: Path) -> pa.Table:
    """BadReference for texts that are not UTF-8, which Arrow takes for bytes."""
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=True)
    try:
        table = csv.read_csv(path, convert_options=options)
    except pa.ArrowInvalid:  # one thread alone knows the number of the row that it stops at
        table = csv.read_csv(path, convert_options=options, read_options=csv.ReadOptions(use_threads=False))
    if any(pa.types.is_binary(kind) for kind in table.schema.types) and (problem := not_utf8(path)):
        raise BadReference(f"the file {str(path)!r} cannot be read: {problem}")
    return table


def _unique(path: Path, table: pa.Table) -> pa.Table:
    """The table; BadReference where two of its columns have one name."""
    names = table.column_names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadReference(f"the file {str(path)!r} has the column {twice!r} twice; a name may stand only once")
    return table


def _convert(name: str, values: Any, schema: Schema, what: str) -> Any:
    kind = schema.features.get(name)
    if kind is not None and not is_feature(values):
        raise BadReference(f"the column {name!r} holds {values.type} values, not {kind}", ("features", name))
    if kind is None or not isinstance(values, Column) or values.kind == kind:
        return values
    if kind == "numeric":
        return _numeric(f"column {name!r}", values, ("features", name), what)
    if kind in ("category", "text"):
        return values.strings()
    raise BadReference(f"the column {name!r} is {values.kind}, not {kind}", ("features", name))


def _numeric(which: str, values: Any, path: tuple[str, ...], what: str) -> Column:
    """Numbers, also those written as texts; the first that is none is named."""
    column = _as_column(values)
    if column.kind == "numeric":
        return column
    if column.kind not in ("category", "text"):
        raise BadReference(f"the {which} is {column.kind}, not numeric", path)
    texts = column.strings()
    numbers = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            numbers[row] = np.nan if text is None else float(text)
        except ValueError:
            advice = f"declare its kind, or clean {what}" if path[0] == "features" else f"allowed: numbers, in {what}"
            raise BadReference(f"the {which} is not numeric: row {row + 1} holds {text!r}; {advice}", path) from None
    return Column("numeric", numbers)
