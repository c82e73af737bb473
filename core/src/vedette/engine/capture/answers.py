"""What the model answered: classes or values, and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.engine.capture.call import Undecodable
from vedette.engine.capture.tables import plain
from vedette.engine.capture.tensors import is_v2, read_tensors
from vedette_specs.columns import Floats, number_text
from vedette_specs.schema import Schema

Answers = tuple[list[Any] | None, Floats | None]
PREDICTION_KEYS = ("prediction", "predictions", "predict", "predicted", "label", "class", "output", "outputs", "result")
PROBABILITY_KEYS = ("probabilities", "probability", "predict_proba", "proba", "probs", "scores", "score")
_NESTED = (list, tuple, np.ndarray)
_SLACK = 1e-6  # float32 softmax overshoots


def read_answers(value: Any, rows: int, schema: Schema, field: str = "response") -> Answers:
    """(prediction, probabilities) of an answer in any known form; (None, None) where it holds neither."""
    value = plain(value)
    if isinstance(value, Mapping):
        return _mapping(value, rows, schema, field)
    if is_v2(value):
        return _mapping({"outputs": value}, rows, schema, field)
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return _mapping({str(name): value[name].to_numpy() for name in value.columns}, rows, schema, field)
    if isinstance(value, list | tuple) and value and isinstance(plain(value[0]), Mapping):
        return _mapping(_transpose(value, field), rows, schema, field)
    return _values(value, rows, schema, field)


def read_prediction(value: Any, rows: int, schema: Schema, field: str) -> list[Any]:
    """One class (as text) or number a row. A number is a class's index unless the classes are numbers themselves."""
    items = _flat(value, rows, schema, field)
    if schema.task == "regression":
        return _numbers(items, field)
    if schema.task == "none" and not schema.classes:
        return items
    memo: dict[tuple[type, Any], str | None] = {}
    return [_label(item, schema, field, memo) for item in items]


def read_probabilities(value: Any, rows: int, schema: Schema, field: str) -> Floats:
    """(rows, classes). The score of a binary model is the probability of its positive class."""
    classes = schema.classes
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        value = [[row.get(name) for name in classes] if isinstance(row, Mapping) else row for row in value]
    elif isinstance(value, Mapping):
        value = _by_class(value, schema, field)
    array = _floats(value, field)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim == 1 and rows == 1 and len(array) > 1:
        array = array[None, :]
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1 and _binary(schema):
        array = _two_columns(array, schema)
    width = len(classes) or (array.shape[1] if array.ndim == 2 else 2)
    if array.shape != (rows, width):
        raise Undecodable(field, f"values of shape {array.shape}", f"shape ({rows}, {width}): a row for each input row")
    wrong = (array < -_SLACK) | (array > 1 + _SLACK)
    if wrong.any():
        raise Undecodable(field, float(array[wrong][0]), "probabilities in [0, 1] (name them in capture.probabilities)")
    return array.clip(0.0, 1.0)


def decide(probabilities: Floats, schema: Schema) -> list[Any] | None:
    """The class that these probabilities stand for, by the schema's threshold or as the most probable one."""
    if not schema.classes:
        return None
    if _binary(schema):
        positive = schema.positive_index
        chosen = np.where(probabilities[:, positive] >= schema.threshold, positive, 1 - positive)
    else:
        chosen = np.nan_to_num(probabilities, nan=-1.0).argmax(axis=1)
    unknown = np.asarray(np.isnan(probabilities).any(axis=1)).tolist()
    return [None if u else schema.classes[c] for c, u in zip(chosen.tolist(), unknown, strict=True)]


def _mapping(value: Mapping[str, Any], rows: int, schema: Schema, field: str) -> Answers:
    if is_v2(value.get("outputs")):
        return _mapping(read_tensors(value["outputs"], f"{field}.outputs"), rows, schema, f"{field}.outputs")
    if schema.classes and set(map(str, value)) == set(schema.classes):
        found = read_probabilities({str(k): v for k, v in value.items()}, rows, schema, field)
        return decide(found, schema), found
    predicted = _key(value, (schema.label, *PREDICTION_KEYS))
    scored = _key(value, PROBABILITY_KEYS) if schema.task != "regression" else None
    probabilities = read_probabilities(value[scored], rows, schema, f"{field}.{scored}") if scored else None
    if predicted is not None:
        place = f"{field}.{predicted}"
        if probabilities is not None:
            return read_prediction(value[predicted], rows, schema, place), probabilities
        return read_answers(value[predicted], rows, schema, place)
    if probabilities is not None:
        return decide(probabilities, schema), probabilities
    tensors = [v for v in value.values() if isinstance(v, np.ndarray)]
    return _values(tensors[0], rows, schema, field) if len(tensors) == 1 else (None, None)


def _values(value: Any, rows: int, schema: Schema, field: str) -> Answers:
    if not isinstance(value, list | tuple | np.ndarray | str | int | float | np.generic):
        if not hasattr(value, "__array__"):
            return None, None
        value = np.asarray(value)
    if _is_score(value, rows, schema):
        probabilities = read_probabilities(value, rows, schema, field)
        return decide(probabilities, schema), probabilities
    if schema.task == "none" and _width(value) > 1:
        return None, None
    return read_prediction(value, rows, schema, field), None


def _is_score(value: Any, rows: int, schema: Schema) -> bool:
    """Probabilities are rows of as many numbers as there are classes, or fractions of a binary model."""
    if schema.task == "regression" or not (schema.classes or schema.task == "binary"):
        return False
    width = _width(value)
    if width > 1:
        return True
    if rows == 1 and len(schema.classes) > 1 and _is_flat(value) and len(value) == len(schema.classes):
        return True
    if not _binary(schema):
        return False
    flat = _leaves(value)
    return all(isinstance(x, float | np.floating) for x in flat) and any(not float(x).is_integer() for x in flat)


def _is_flat(value: Any) -> bool:
    """Whether it is a row of values; numpy would not say so of a ragged list."""
    if isinstance(value, np.ndarray):
        return bool(value.ndim == 1)
    return isinstance(value, list | tuple) and not any(isinstance(item, (*_NESTED, Mapping)) for item in value)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        flat: list[Any] = value.reshape(-1).tolist()
        return flat
    if isinstance(value, list | tuple):
        return [item[0] if isinstance(item, _NESTED) and len(item) else item for item in value]
    return [value]


def _width(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.shape[1]) if value.ndim > 1 else 1
    if isinstance(value, list | tuple) and value and isinstance(value[0], _NESTED):
        return len(value[0])
    return 1


def _flat(value: Any, rows: int, schema: Schema, field: str) -> list[Any]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    items = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, _NESTED) for item in items):
        items = [item[0] if isinstance(item, _NESTED) and len(item) == 1 else item for item in items]
    wrong = next((item for item in items if isinstance(item, (*_NESTED, dict))), None)
    if wrong is not None:
        raise Undecodable(field, wrong, f"one value a row{_classes(schema)}")
    if len(items) != rows:
        raise Undecodable(field, f"{len(items)} values", f"{rows}, one for each input row")
    return items


def _numbers(items: Sequence[Any], field: str) -> list[Any]:
    try:
        found: list[Any] = np.array(items, dtype=np.float64).tolist()
    except (TypeError, ValueError, OverflowError) as error:
        raise Undecodable(field, list(items), "a number a row") from error
    return found


def _label(item: Any, schema: Schema, field: str, memo: dict[tuple[type, Any], str | None]) -> str | None:
    key = (type(item), item)
    try:
        if key not in memo:
            memo[key] = _name(item, schema, field)
        return memo[key]
    except (TypeError, OverflowError) as error:  # unhashable, or beyond a float
        raise Undecodable(field, item, f"a class{_classes(schema)}") from error


def _name(item: Any, schema: Schema, field: str) -> str | None:
    classes = schema.classes
    if item is None or item != item:
        return None
    if isinstance(item, str) or not isinstance(item, bool | int | float | np.number | np.bool_):
        return str(item)
    if isinstance(item, bool | np.bool_):
        if str(bool(item)) in classes or not classes:
            return str(bool(item))
        item = int(item)
    text = number_text(float(item))
    if not classes or text in classes or _numeric_classes(classes):
        return text
    if float(item).is_integer() and 0 <= item < len(classes):
        return classes[int(item)]
    raise Undecodable(field, item, f"a class{_classes(schema)} or its index, 0 to {len(classes) - 1}")


@lru_cache(maxsize=64)
def _numeric_classes(classes: tuple[str, ...]) -> bool:
    return any(name.lstrip("-").replace(".", "", 1).isdigit() for name in classes)


def _by_class(value: Mapping[str, Any], schema: Schema, field: str) -> NDArray[Any]:
    missing = [name for name in schema.classes if name not in value]
    if missing or not schema.classes:
        raise Undecodable(field, list(value), f"a probability for each class{_classes(schema)}")
    columns = [np.atleast_1d(_floats(value[name], f"{field}.{name}")) for name in schema.classes]
    if len({column.shape for column in columns}) > 1 or columns[0].ndim > 1:
        raise Undecodable(field, [column.shape for column in columns], "as many probabilities for each class")
    return np.column_stack(columns)


def _floats(value: Any, field: str) -> Floats:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Undecodable(field, value, "numbers in [0, 1], in rows of the same length") from error


def _two_columns(score: Floats, schema: Schema) -> Floats:
    pair = np.column_stack([1.0 - score, score])
    return pair[:, ::-1] if schema.classes and schema.positive_index == 0 else pair


def _binary(schema: Schema) -> bool:
    return len(schema.classes) == 2 or (not schema.classes and schema.task == "binary")


def _key(value: Mapping[str, Any], names: Sequence[str | None]) -> str | None:
    return next((name for name in names if name is not None and name in value), None)


def _transpose(rows: Sequence[Any], field: str) -> dict[str, Any]:
    items = [plain(row) for row in rows]
    wrong = next((i for i, item in enumerate(items) if not isinstance(item, Mapping)), None)
    if wrong is not None:
        raise Undecodable(f"{field}.{wrong}", items[wrong], "a mapping like the first row")
    return {str(key): [item.get(key) for item in items] for key in items[0]}


def _classes(schema: Schema) -> str:
    return f" of {list(schema.classes)}" if schema.classes else ""
