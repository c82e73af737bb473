"""MLflow in the tests' own process: the session's registry, and an experiment for each test."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow's own warnings, and those of what it calls, are no errors of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


with quiet():
    import mlflow
    from mlflow import MlflowClient

CHAMPION = "models:/tumours@champion"
YAML = """
version: 1
model: {name: tumours}
reference: reference.csv
schema: {label: diagnosis, positive: malignant}
store: sqlite:///vedette.db
"""


@dataclass(frozen=True)
class Tracking:
    """An experiment of one's own in the session's database."""

    uri: str
    experiment: str
    experiment_id: str
    folder: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def frame(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "reference.csv")

    def yaml(self, folder: Path, text: str, name: str = "monitors.yaml") -> Path:
        """monitors.yaml in `folder`, with the registry's reference and a store there."""
        base = YAML.replace("reference.csv", str(self.folder / "reference.csv"))
        path = folder / name
        path.write_text(base.replace("vedette.db", str(folder / "vedette.db")) + text)
        return path

    def runs(self) -> list[Any]:
        return list(self.client.search_runs([self.experiment_id]))


@contextmanager
def tracking_of(folder: Path) -> Iterator[Tracking]:
    """folder: with mlflow.db and reference.csv."""
    uri = f"sqlite:///{folder}/mlflow.db"
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
    environment = {name: os.environ.get(name) for name in names}  # MLflow writes what it is set to there
    mlflow.set_tracking_uri(uri)
    name = f"test-{uuid4().hex[:8]}"
    with quiet():
        identity = mlflow.create_experiment(name, (folder / "artifacts" / name).as_uri())
        mlflow.set_experiment(experiment_id=identity)
    try:
        yield Tracking(uri, name, identity, folder)
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # or it would hide the variable from now on
        for name, value in environment.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
