"""Calls as batches. Many calls are put together value by value and become columns once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from vedette.config.plan import CaptureSpec
from vedette.engine.capture.answers import decide, read_answers, read_prediction, read_probabilities
from vedette.engine.capture.body import read_body
from vedette.engine.capture.call import Call, Undecodable, header
from vedette.engine.capture.columns import missing_column, per_row, read_column, read_time, texts
from vedette.engine.capture.paths import ROOTS, follow, present
from vedette.engine.capture.tables import Columns, plain, read_table
from vedette_specs.batch import Batch
from vedette_specs.columns import Column, Floats, category, numeric
from vedette_specs.convert import infer_kind
from vedette_specs.schema import Schema

_NUMBER = (int, float)
_ID_HEADERS = ("x-request-id", "ce-requestid", "ce-id", "seldon-puid")


@dataclass(slots=True)
class Rows:
    """One call's rows, read but not yet converted. ids and times: one for all rows, or one a row.

    first: number of the first row in its request.
    """

    count: int
    columns: Columns
    prediction: list[Any] | None
    probabilities: Floats | None
    ids: str | list[str] | None
    times: float | list[float] | None
    attributes: dict[str, list[Any]]
    first: int = 0

    def layout(self) -> tuple[Any, ...]:
        """Calls of the same layout can share a batch."""
        numbers = self.prediction is not None and all(isinstance(p, _NUMBER) for p in self.prediction)
        width = None if self.probabilities is None else self.probabilities.shape[1]
        return (self.prediction is None, numbers, width, tuple(self.attributes))


class _View:
    """A call's parts by capture path; bodies are parsed once."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._body: Any = _View
        self._response: Any = _View
        self.columns: Columns | None = None

    @property
    def body(self) -> Any:
        if self._body is _View:
            raw = self.call.request
            kind = header(self.call, "content-type") or "" if isinstance(raw, bytes) else ""
            self._body = read_body(raw, "body", kind) if isinstance(raw, bytes | bytearray) else raw
        return self._body

    @property
    def response(self) -> Any:
        if self._response is _View:
            raw = self.call.response
            inner = getattr(raw, "body", None)
            if isinstance(inner, bytes | bytearray | memoryview):
                raw = inner
            readable = isinstance(raw, bytes | bytearray | memoryview)
            self._response = read_body(raw, "response") if readable else raw
        return self._response

    def get(self, path: str) -> Any:
        root, _, steps = path.partition(".")
        if root == "body":
            return follow(self.body, path, steps)
        if root == "response":
            return follow(self.response, path, steps)
        if root in ("header", "headers"):
            found = header(self.call, steps.lower())
            if found is None:
                raise Undecodable(path, None, f"a header of the request: {list(self.call.headers)}")
            return found
        if root == "args":
            return follow(self.call.args, path, steps)
        if root == "kwargs":
            return follow(self.call.kwargs, path, steps)
        if root == "inputs" and self.columns is not None:
            return follow(self.columns, path, steps)
        raise Undecodable("capture", path, f"a path that starts with {', '.join(ROOTS)}")


def decode(call: Call, schema: Schema, capture: CaptureSpec, redact: Collection[str] = ()) -> Batch:
    """The call's rows. `ids` and `times` are None where the call names none.

    redact: inputs and attributes whose values never leave this function. Raises Undecodable, and nothing else.
    """
    return build([read(call, schema, capture, redact)], schema, redact)


def read(call: Call, schema: Schema, capture: CaptureSpec, redact: Collection[str] = ()) -> Rows:
    """The call's values, not yet converted; raises Undecodable."""
    view = _View(call)
    try:
        wanted = [path for path in capture.attributes.values() if path.startswith("inputs.")]
        columns, view.columns = _inputs(view, schema, capture, keep_all=bool(wanted))
        rows = len(next(iter(columns.values())))
        prediction, probabilities = _answers(view, rows, schema, capture)
        return Rows(
            count=rows,
            columns={name: values for name, values in columns.items() if name not in redact} if redact else columns,
            prediction=prediction,
            probabilities=probabilities,
            ids=_ids(view, rows, capture),
            times=_times(view, rows, capture),
            attributes=_attributes(view, rows, capture, redact),
            first=call.first_row,
        )
    except RecursionError as error:
        raise Undecodable("call", "values nested too deeply", "rows of plain values") from error


def build(
    parts: Sequence[Rows], schema: Schema, redact: Collection[str] = (), mint: Callable[[], str] | None = None
) -> Batch:
    """Calls of one layout as one batch; raises Undecodable. mint: gives the id of a call that brings none."""
    count = sum(part.count for part in parts)
    features = schema.features or _inferred(parts)
    inputs = {name: _input(name, kind, parts, redact, count) for name, kind in features.items()}
    ids = [part.ids if part.ids is not None or mint is None else mint() for part in parts]
    return Batch(
        inputs=inputs,
        schema=schema if schema.features else Schema(**{**vars(schema), "features": features}),
        ids=None if any(item is None for item in ids) else _spread(ids, parts, object),
        rows=_indexes(parts),
        times=None if any(p.times is None for p in parts) else _spread([p.times for p in parts], parts, np.float64),
        prediction=_prediction(parts, schema),
        probabilities=None if parts[0].probabilities is None else _stack(parts),
        attributes={name: _attribute(name, parts) for name in parts[0].attributes},
    )


def _inputs(view: _View, schema: Schema, capture: CaptureSpec, *, keep_all: bool) -> tuple[Columns, Columns]:
    """(the features' columns, the columns that `inputs.<name>` paths may ask for)."""
    source, field = (_source(view, schema), "body") if capture.inputs == "auto" else (None, capture.inputs)
    if capture.inputs != "auto":
        source = view.get(capture.inputs)
        if isinstance(source, bytes):
            source = read_body(source, field)
    columns = read_table(source, schema, field)
    return columns, read_table(source, Schema(), field) if keep_all else columns


def _source(view: _View, schema: Schema) -> Any:
    """The body, or else the arguments that hold the rows."""
    call = view.call
    if call.request is not None:
        return view.body
    if call.kwargs and any(name in schema.features for name in call.kwargs):
        return dict(call.kwargs)
    values = [*call.args, *call.kwargs.values()]
    if len(values) > 1 and len(values) == len(schema.features) and not any(hasattr(v, "__len__") for v in values):
        return values
    for value in values:
        value = read_body(value, "args") if isinstance(value, bytes) else plain(value)
        if hasattr(value, "__len__") or hasattr(value, "__array__") or len(values) == 1:
            return value
    raise Undecodable("call", None, "a request body or arguments that hold rows")


def _answers(view: _View, rows: int, schema: Schema, capture: CaptureSpec) -> tuple[list[Any] | None, Floats | None]:
    auto: tuple[list[Any] | None, Floats | None] = (None, None)
    if capture.prediction == "auto" and capture.probabilities in ("auto", "none"):
        auto = read_answers(_auto_response(view, schema), rows, schema)
    prediction, probabilities = auto
    if capture.probabilities == "none":
        probabilities = None
    elif capture.probabilities != "auto":
        probabilities = read_probabilities(view.get(capture.probabilities), rows, schema, capture.probabilities)
    if capture.prediction == "none":
        return None, probabilities
    if capture.prediction != "auto":
        return read_prediction(view.get(capture.prediction), rows, schema, capture.prediction), probabilities
    if prediction is None and probabilities is not None:
        prediction = decide(probabilities, schema)
    return prediction, probabilities


def _auto_response(view: _View, schema: Schema) -> Any:
    """The response; a body that is no JSON but a class's name is that class."""
    try:
        return view.response
    except Undecodable:
        raw = getattr(view.call.response, "body", view.call.response)
        name = bytes(raw).decode("utf-8", "replace").strip() if len(raw) < 256 else ""
        if name in schema.classes:
            return name
        raise


def _ids(view: _View, rows: int, capture: CaptureSpec) -> str | list[str] | None:
    if capture.id != "auto":
        found = present(lambda: view.get(capture.id))
        if found is not None:
            items = [str(item) for item in per_row(found, rows, capture.id)]
            return items if isinstance(found, list | tuple | np.ndarray) else items[0]
    call = view.call
    if call.request_id:
        return str(call.request_id)
    named = next((found for name in _ID_HEADERS if (found := header(call, name))), None) if call.headers else None
    if named:
        return named
    for part in (view.body, present(lambda: view.response)):
        if isinstance(part, Mapping) and isinstance(part.get("id"), str) and part["id"] and _is_protocol(part):
            return str(part["id"])
    return None


def _is_protocol(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("inputs"), list) or isinstance(part.get("outputs"), list)


def _times(view: _View, rows: int, capture: CaptureSpec) -> float | list[float] | None:
    path = capture.time
    found = present(lambda: view.get(path)) if path is not None else None
    if found is None:
        return view.call.time
    assert path is not None
    if isinstance(found, list | tuple | np.ndarray):
        return [read_time(item, path) for item in per_row(found, rows, path)]
    return read_time(found, path)


def _attributes(view: _View, rows: int, capture: CaptureSpec, redact: Collection[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, path in capture.attributes.items():
        value = None if name in redact else present(partial(view.get, path))
        found[name] = texts(per_row(value, rows, path), path)
    for name, value in view.call.attributes.items():
        field = f"attributes.{name}"
        found[name] = [None] * rows if name in redact else texts(per_row(value, rows, field), field)
    return found


def _input(name: str, kind: Any, parts: Sequence[Rows], redact: Collection[str], count: int) -> Column:
    if name in redact or not any(name in part.columns for part in parts):
        return missing_column(kind, count)
    if len(parts) == 1:
        return read_column(name, kind, parts[0].columns[name])
    blocks = [part.columns.get(name) for part in parts]
    if kind == "numeric" and all(isinstance(b, np.ndarray) and b.dtype.kind in "biuf" for b in blocks):
        return read_column(name, kind, np.concatenate([np.asarray(block) for block in blocks]))
    filled = (part.columns.get(name, [None] * part.count) for part in parts)
    return read_column(
        name, kind, list(chain.from_iterable(b.tolist() if isinstance(b, np.ndarray) else b for b in filled))
    )


def _inferred(parts: Sequence[Rows]) -> dict[str, Any]:
    names = dict.fromkeys(name for part in parts for name in part.columns)
    values = {name: next(part.columns[name] for part in parts if name in part.columns) for name in names}
    return {name: infer_kind(column) for name, column in values.items()}


def _spread(items: Sequence[Any], parts: Sequence[Rows], dtype: Any) -> Any:
    flat = chain.from_iterable(
        item if isinstance(item, list) else [item] * part.count for item, part in zip(items, parts, strict=True)
    )
    array = np.empty(sum(part.count for part in parts), dtype=dtype)
    array[:] = list(flat)
    return array


def _indexes(parts: Sequence[Rows]) -> Any:
    """Index in the request; 0 where every row has an id of its own."""
    one = [np.arange(p.first, p.first + p.count, dtype=np.int32) for p in parts]
    for index, part in zip(one, parts, strict=True):
        if isinstance(part.ids, list):
            index[:] = 0
    return one[0] if len(one) == 1 else np.concatenate(one)


def _prediction(parts: Sequence[Rows], schema: Schema) -> Column | None:
    if parts[0].prediction is None:
        return None
    values = list(chain.from_iterable(part.prediction or () for part in parts))
    untyped = schema.task == "none" and not schema.classes
    numbers = untyped and all(isinstance(p, int | float) and not isinstance(p, bool) for p in values)
    if schema.task == "regression" or numbers:
        return numeric(values)
    return category(texts(values, "prediction"), schema.classes)


def _stack(parts: Sequence[Rows]) -> Floats:
    return np.concatenate([part.probabilities for part in parts if part.probabilities is not None])


def _attribute(name: str, parts: Sequence[Rows]) -> Column:
    return category(list(chain.from_iterable(part.attributes[name] for part in parts)))
