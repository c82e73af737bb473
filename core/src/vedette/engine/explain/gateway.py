"""The gateway: how explainers and the embedded server call the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from vedette.engine.capture import Undecodable
from vedette.engine.capture.answers import decide, read_answers
from vedette_specs.batch import Batch
from vedette_specs.columns import Floats
from vedette_specs.schema import Schema

TIMEOUT = 10.0
FORMS = "pkg.mod:predict, model.skops, http(s)://host/v2/models/m, .../v1/models/m, .../invocations, models:/name@alias"


class BadModelUri(ValueError):
    """The model's URI is of no known form, or nothing that predicts is there."""


class GatewayError(RuntimeError):
    """The model did not answer, or not with one prediction a row."""


@dataclass(frozen=True)
class Answer:
    """prediction: a class (text) or number a row.  probabilities: (n, classes), None where the model gives none."""

    prediction: list[Any]
    probabilities: Floats | None = None


class Model(Protocol):
    """Where the model runs. Its raw answer may have any form that a response may have."""

    def ask(self, rows: Batch) -> Any: ...

    def close(self) -> None: ...


class Gateway:
    """A model that can be called: rows -> (n, outputs). Thread-safe where the model is.

    version: of a model from a registry.
    """

    def __init__(self, uri: str, schema: Schema, model: Model, version: str | None = None) -> None:
        self.uri = uri
        self.schema = schema
        self.version = version
        self._model = model

    def __call__(self, rows: Batch) -> Floats:
        """(n, classes) probabilities, or 1 for the class that is answered; (n, 1) numbers of a regression."""
        answer = self.answer(rows)
        if answer.probabilities is not None:
            return answer.probabilities
        if self.schema.classes:
            return self._one_hot(answer.prediction)
        try:
            return np.array(answer.prediction, dtype=np.float64).reshape(len(rows), 1)
        except (TypeError, ValueError) as error:
            raise GatewayError(f"{self.uri}: answers are no numbers; name the classes in schema.classes") from error

    def answer(self, rows: Batch) -> Answer:
        """What the model says of the rows; raises GatewayError."""
        raw = self._model.ask(rows)
        if isinstance(raw, Answer):
            return raw
        try:
            prediction, probabilities = read_answers(raw, len(rows), self.schema, "answer")
        except Undecodable as error:
            raise GatewayError(f"{self.uri}: {error}") from error
        if prediction is None and probabilities is not None:
            prediction = decide(probabilities, self.schema)
        if prediction is None:
            raise GatewayError(f"{self.uri}: the answer holds no prediction in a known form")
        return Answer(prediction, probabilities)

    def close(self) -> None:
        self._model.close()

    def _one_hot(self, prediction: list[Any]) -> Floats:
        index = {name: i for i, name in enumerate(self.schema.classes)}
        if unknown := [item for item in prediction if item not in index]:
            raise GatewayError(
                f"{self.uri}: answered {unknown[0]!r}, which is none of the classes {list(self.schema.classes)}"
            )
        return np.eye(len(index))[[index[item] for item in prediction]]


def make_gateway(uri: str, schema: Schema, *, timeout: float = TIMEOUT, base: Path | None = None) -> Gateway:
    """The gateway to a model.

    uri: `pkg.mod:predict` (a function of a DataFrame, or an object with predict_proba or predict), `file.skops`,
    the address of a V2, V1 or MLflow server, or what a plugin finds (`models:/name@alias`).
    timeout: seconds an address may take.  base: folder that a relative file starts from.  Raises BadModelUri.
    """
    model = _known(uri, schema, timeout, base or Path())
    return Gateway(uri, schema, model) if model is not None else _found(uri, schema)


def _known(uri: str, schema: Schema, timeout: float, base: Path) -> Model | None:
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        from vedette.engine.explain.gateway_http import http_model

        return http_model(uri, schema, timeout)
    from vedette.engine.explain.gateway_local import import_target, load_skops

    if uri.removeprefix("file://").endswith(".skops"):
        return load_skops(base / uri.removeprefix("file://"), schema)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", uri):
        return import_target(uri, schema)
    return None


def _found(uri: str, schema: Schema) -> Gateway:
    """The model that a plugin finds and loads."""
    from vedette.engine.explain.gateway_local import LocalModel
    from vedette.plugins import get_registry

    try:
        found = get_registry().load_model(uri)
        if found is not None:
            return Gateway(uri, schema, LocalModel(found.load(), schema, uri), found.version)
    except BadModelUri:
        raise
    except Exception as error:  # a stranger's plugin or model
        raise BadModelUri(f"model.uri: {uri!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if uri.startswith(("models:/", "runs:/")):
        extra = "pip install 'vedette[mlflow]'"
        raise BadModelUri(f"model.uri: {uri!r} is in an MLflow registry, which needs the extra `mlflow`: {extra}")
    raise BadModelUri(f"model.uri: {uri!r} is of no known form; allowed: {FORMS}")
