"""The kit's model as an MLflow model, as a user would write it.

python mlflow_model.py FOLDER
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from vedette.testing.platforms.model import FEATURES, probabilities


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return probabilities(model_input[list(FEATURES)])


if __name__ == "__main__":
    inputs = Schema([ColSpec("double", name) for name in FEATURES])
    mlflow.pyfunc.save_model(
        sys.argv[1], python_model=Scorer(), signature=ModelSignature(inputs), pip_requirements=["vedette"]
    )
