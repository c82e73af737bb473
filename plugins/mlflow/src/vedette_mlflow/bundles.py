"""The bundle beside the model: logged onto its LoggedModel, found in what is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vedette_mlflow.models import BadModel, Resolved

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle

FOLDER = "vedette"  # among the model's artifacts
FILE = "bundle.vdt"
MAX_BYTES = 1 << 30


class NoBundle(LookupError):
    """The model has no bundle, and no file was given."""


def log_bundle(resolved: Resolved, bundle: Bundle) -> str:
    """Log the bundle onto the model; a later one takes its place. Returns where it is."""
    from mlflow import MlflowClient

    if resolved.model_id is None:
        raise BadModel(
            f"{resolved.uri} is no LoggedModel (it was logged without an id, before MLflow 3), so nothing can be "
            f"logged onto it; log the model again, or give `vedette mlflow serve` the file: -c monitors.yaml"
        )
    with tempfile.TemporaryDirectory(prefix="vedette-") as folder:
        saved = bundle.save(Path(folder))
        MlflowClient().log_model_artifacts(resolved.model_id, str(saved), FOLDER)
    return f"models:/{resolved.model_id}, {FOLDER}/{FILE}"


def logged_bundle(model: Path, uri: str) -> Bundle:
    """The bundle in a downloaded model; raises NoBundle, or BundleError for what is none."""
    from vedette.engine.bundle import Bundle
    from vedette.plugins import get_registry

    file = model / FOLDER / FILE
    if not file.is_file():
        raise NoBundle(
            f"{uri} has no bundle: log one with `vedette mlflow log -m {uri} -c monitors.yaml`, "
            f"or give the file here: -c monitors.yaml"
        )
    if (size := file.stat().st_size) > MAX_BYTES:
        raise NoBundle(f"{uri}: its bundle has {size:,} bytes; at most {MAX_BYTES:,} are read")
    return Bundle.from_bytes(file.read_bytes(), get_registry())
