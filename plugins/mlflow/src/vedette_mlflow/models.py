"""Models of an MLflow registry: an alias becomes a version, a signature the schema's features."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vedette.plugins.errors import did_you_mean
from vedette_specs import FoundModel
from vedette_specs.schema import Kind

SCHEMES = ("models:/", "runs:/")
FORMS = (
    "models:/<name>@<alias>, models:/<name>/<version>, models:/<name>/latest, models:/m-<id>, runs:/<run>/<path>, "
    "or a model's folder"
)
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")  # any other code is MLflow's failure
MODEL_ID = re.compile(r"models:/(m-[0-9a-f]+)/?")
NAMED = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))/?")
_NUMBERS = ("boolean", "integer", "long", "float", "double")


class BadModel(LookupError):
    """No model is at the URI."""


@dataclass(frozen=True)
class Resolved:
    """uri: of one version for good, whatever an alias says later.  version: its number, or its id where it has none.

    model_id: of the LoggedModel; None where the model was logged without one.
    """

    uri: str
    version: str
    model_id: str | None


def of_option(uri: str, folder: Path) -> tuple[Resolved, Path]:
    """The model that `-m` names, and its files in a folder of its own; BadModel names the option."""
    try:
        resolved = resolve(uri)
        return resolved, download(resolved, folder)
    except BadModel as error:
        raise BadModel(f"-m: {error}") from error


def resolve(uri: str) -> Resolved:
    """What a URI means now; raises BadModel, or what MLflow raises where it fails itself."""
    with _sought(uri):
        return _resolved(uri)


@contextmanager
def _sought(uri: str) -> Iterator[None]:
    """BadModel where MLflow says that there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in NOT_THERE:
            raise
        raise BadModel(f"{uri!r}: {error.message}; allowed: {FORMS}") from error
    except FileNotFoundError as error:
        raise BadModel(f"{uri!r}: there is no such file or folder; allowed: {FORMS}") from error


def _resolved(uri: str) -> Resolved:
    if found := MODEL_ID.fullmatch(uri):
        return Resolved(f"models:/{found[1]}", found[1], found[1])
    if uri.startswith("models:/"):
        if (named := NAMED.fullmatch(uri)) is None:
            raise BadModel(f"{uri!r} is of no known form; allowed: {FORMS}")
        return _of_version(_version(uri, **named.groupdict()))
    identity = _info(uri).model_id  # a folder may be a copy of that model, and is served as it is
    return Resolved(uri, identity or "", identity)


def find(uri: str) -> FoundModel:
    """For `model.uri`: metadata now, the model itself when it is asked for."""
    resolved = resolve(uri)
    features = features_of(_info(resolved.uri).signature)
    return FoundModel(partial(_load, resolved.uri), resolved.version or None, features)


def download(resolved: Resolved, folder: Path) -> Path:
    """The whole model in a folder of its own."""
    from mlflow.artifacts import download_artifacts

    with _sought(resolved.uri):
        return Path(download_artifacts(artifact_uri=resolved.uri, dst_path=str(folder)))


def features_of(signature: Any) -> Mapping[str, Kind] | None:
    """Named inputs with their kinds; None where the signature names none."""
    inputs = None if signature is None else signature.inputs
    if inputs is None or inputs.is_tensor_spec() or not inputs.has_input_names():
        return None
    kinds = {column.name: _kind(column.type) for column in inputs.inputs}
    return {str(name): kind for name, kind in kinds.items() if kind is not None} or None


def _kind(data_type: Any) -> Kind | None:
    """None for dates, bytes and nested values, which are no features."""
    name = getattr(data_type, "name", "")
    if name in _NUMBERS:
        return "numeric" if name != "boolean" else "category"
    return "category" if name == "string" else None


def _load(uri: str) -> Any:
    from mlflow.pyfunc import load_model

    from vedette_mlflow.asking import predictor

    return predictor(load_model(uri))


def _info(uri: str) -> Any:
    from mlflow.models import get_model_info

    return get_model_info(uri)


def _version(uri: str, name: str, alias: str | None, version: str | None) -> Any:
    """MLflow's ModelVersion."""
    from mlflow import MlflowClient

    client = MlflowClient()
    if alias is not None:
        return _of_alias(client, uri, name, alias)
    if version is not None and version.isdecimal():
        return client.get_model_version(name, version)
    if version is not None and version.lower() == "latest":
        quoted = name.replace("'", "\\'")
        found = client.search_model_versions(f"name='{quoted}'", max_results=1, order_by=["version_number DESC"])
    else:
        found = client.get_latest_versions(name, [version])
    if not found:
        raise BadModel(f"{uri!r}: the registry has no such version of {name!r}")
    return found[0]


def _of_alias(client: Any, uri: str, name: str, alias: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        known = sorted(client.get_registered_model(name).aliases)  # says itself that there is no such model
        if alias in known:
            raise
        raise BadModel(
            f"{uri!r}: no version of {name!r} has the alias {alias!r}{did_you_mean(alias, known)}"
        ) from error


def _of_version(found: Any) -> Resolved:
    uri = f"models:/{found.name}/{found.version}"
    identity = getattr(found, "model_id", None)
    if not identity and (of := MODEL_ID.fullmatch(str(found.source))):
        identity = of[1]
    return Resolved(uri, str(found.version), identity or _info(uri).model_id)
