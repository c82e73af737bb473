"""Models in this process: imported functions and estimators, and estimators saved by skops."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vedette.engine.explain.gateway import Answer, BadModelUri, GatewayError
from vedette.engine.trust import untrusted
from vedette_specs.batch import Batch
from vedette_specs.columns import category
from vedette_specs.convert import as_tabular
from vedette_specs.schema import Schema


class LocalModel:
    """A function, or an object with predict_proba or predict.

    It is given a DataFrame with the schema's columns; an array where its first parameter is annotated as one, or
    where it is an estimator that was fitted on one.
    """

    def __init__(self, target: Any, schema: Schema, name: str) -> None:
        self._target = target
        self._schema = schema
        self._name = name
        self._array = _wants_array(target)
        self._order = self._class_order() if schema.classes and hasattr(target, "predict_proba") else None

    def ask(self, rows: Batch) -> Any:
        table = self._table(rows)
        try:
            if self._order is not None:
                from vedette.engine.capture.answers import decide

                found = np.asarray(self._target.predict_proba(table), dtype=np.float64)[:, self._order]
                return Answer(decide(found, self._schema) or [], found)
            return self._target.predict(table) if hasattr(self._target, "predict") else self._target(table)
        except Exception as error:  # a stranger's code; its failure is told
            raise GatewayError(f"{self._name} raised {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """The target belongs to its module."""

    def _table(self, rows: Batch) -> Any:
        if self._array:
            return as_tabular(rows, np.empty((0, 0)))
        import pandas as pd

        frame = pd.DataFrame(
            {name: c.values if c.kind == "numeric" else c.to_list() for name, c in rows.inputs.items()}
        )
        names = getattr(self._target, "feature_names_in_", None)
        return frame if names is None else frame[[str(name) for name in names]]

    def _class_order(self) -> list[int]:
        """Columns of predict_proba in the order of the schema's classes."""
        wanted = list(self._schema.classes)
        theirs = getattr(self._target, "classes_", None)
        if theirs is None:
            return list(range(len(wanted)))
        order = class_order(theirs, wanted)
        if order is None:
            raise BadModelUri(f"{self._name}: its classes are {_names(theirs)}; schema.classes are {wanted}")
        return order


def class_order(theirs: Sequence[Any], wanted: Sequence[str]) -> list[int] | None:
    """Columns of an estimator's predict_proba (`classes_`) in the order of `wanted`; None where it has other classes.

    An estimator may have been fitted on the indexes of the classes.
    """
    names = _names(theirs)
    if sorted(names) == sorted(wanted):
        return [names.index(name) for name in wanted]
    return list(range(len(wanted))) if names == [str(i) for i in range(len(wanted))] else None


def _names(theirs: Sequence[Any]) -> list[str]:
    return [str(name) for name in category(list(theirs)).strings().tolist()] if len(theirs) else []


def import_target(uri: str, schema: Schema) -> LocalModel:
    """The object that `pkg.mod:name` names; raises BadModelUri."""
    module_name, _, path = uri.partition(":")
    try:
        target: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = f"no module {error.name!r}; it is looked for on the Python path"
        raise BadModelUri(f"model.uri: {uri!r}: {missing}") from error
    except Exception as error:  # a stranger's module
        raise BadModelUri(f"model.uri: importing {module_name!r} raised {type(error).__name__}: {error}") from error
    for name in path.split("."):
        if not hasattr(target, name):
            there = [n for n in vars(target) if not n.startswith("_")] if hasattr(target, "__dict__") else []
            raise BadModelUri(f"model.uri: {uri!r}: {module_name!r} has no {name!r}; it has: {', '.join(there[:20])}")
        target = getattr(target, name)
    if not any(callable(getattr(target, name, None)) for name in ("predict_proba", "predict", "__call__")):
        raise BadModelUri(f"model.uri: {uri!r} is a {type(target).__name__} without predict, and cannot be called")
    return LocalModel(target, schema, uri)


def load_skops(path: Path, schema: Schema) -> LocalModel:
    """The estimator in a .skops file, if all it refers to is trusted (vedette.engine.trust); raises BadModelUri."""
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
        if strange := untrusted(unknown):
            raise BadModelUri(f"model.uri: {path} refers to types that are not trusted: {', '.join(strange)}")
        target = skops.io.load(path, trusted=unknown)
    except OSError as error:
        raise BadModelUri(f"model.uri: {path} cannot be read: {error.strerror or error}") from error
    except BadModelUri:
        raise
    except Exception as error:  # skops raises what its archive's parts raise
        raise BadModelUri(f"model.uri: {path} is no skops file: {type(error).__name__}: {error}") from error
    return LocalModel(target, schema, path.name)


def _wants_array(target: Any) -> bool:
    if hasattr(target, "n_features_in_"):
        return not hasattr(target, "feature_names_in_")
    function = getattr(target, "predict_proba", None) or getattr(target, "predict", None) or target
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # builtins have no signature
        return False
    annotation = str(parameters[0].annotation) if parameters else ""
    return any(name in annotation for name in ("ndarray", "NDArray", "ArrayLike"))
