"""MLflow from the inside. The only module that touches names which MLflow does not promise; its test names the version.

They are looked up when they are needed: importing MLflow takes seconds.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

SCORING, ARTIFACTS = "mlflow.pyfunc.scoring_server", "mlflow.models.evaluation.artifacts"
NAMES = (
    (SCORING, "init"),
    (SCORING, "load_model_with_mlflow_config"),
    (SCORING, "invocations"),
    (SCORING, "_SERVER_MODEL_PATH"),
    ("mlflow.environment_variables", "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"),
    (ARTIFACTS, "ImageEvaluationArtifact"),
    (ARTIFACTS, "JsonEvaluationArtifact"),
)


class UnsupportedMLflow(RuntimeError):
    """This version of MLflow is not built as Vedette knows it."""


class Answer(NamedTuple):
    """Of /invocations."""

    text: str
    status: int
    media_type: str


def as_served(path: str) -> Any:
    """The PyFuncModel, loaded as the scoring server does."""
    return _name(SCORING, "load_model_with_mlflow_config")(path)


def application(model: Any) -> Any:
    """The scoring server's own FastAPI of a PyFuncModel."""
    return _name(SCORING, "init")(model)


def invoked(body: bytes, content_type: str, model: Any) -> Answer:
    """What the scoring server answers; raises MlflowException for what it answers with that. model: has `predict` and
    `metadata`."""
    found = _name(SCORING, "invocations")(body, content_type, model, model.metadata.get_input_schema())
    return Answer(found.response, found.status, found.mimetype)


def tell_model_path(path: str) -> None:
    """To the model's code, which may read there what it is served from."""
    os.environ[_name(SCORING, "_SERVER_MODEL_PATH")] = path


def tell_request_timeout(seconds: int | None) -> None:
    """To the scoring server, as `mlflow models serve` does. None: its default, or what the environment says."""
    variable = _name("mlflow.environment_variables", "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT")
    os.environ[variable.name] = str(seconds or variable.get())


def evaluation_artifact(kind: Literal["Image", "Json"], uri: str, file: Path) -> Any:
    """What an evaluation's result shows of a file that was logged at `uri`."""
    artifact = _name(ARTIFACTS, f"{kind}EvaluationArtifact")(uri=uri)
    artifact._load(str(file))
    return artifact


def _name(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UnsupportedMLflow(f"mlflow {version('mlflow')} is not supported: {error}") from error
