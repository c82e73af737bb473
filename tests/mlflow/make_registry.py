"""A registry with real models in an SQLite store, made in a process of its own: its first migration takes seconds, and
MLflow warns of many things.

python make_registry.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NAME = "tumours"
NUMBERS = ["mean radius", "mean texture", "mean smoothness"]


def table() -> pd.DataFrame:
    """Floats, a whole number, a text, and the label."""
    frame = load_breast_cancer(as_frame=True).frame
    size = pd.cut(frame["mean area"], [0, 450, 800, 10_000], labels=["small", "medium", "large"]).astype(str)
    whole = frame["mean perimeter"].round().astype(int)
    label = frame["target"].map({0: "malignant", 1: "benign"})
    return frame[NUMBERS].assign(perimeter=whole, size=size, diagnosis=label)


def main(folder: Path) -> None:
    frame = table()
    frame.to_csv(folder / "reference.csv", index=False)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("tumours", (folder / "artifacts").as_uri()))
    inputs, labels = frame.drop(columns="diagnosis"), frame["diagnosis"]
    for strength in (1.0, 0.01):
        columns = make_column_transformer((OneHotEncoder(), ["size"]), remainder=StandardScaler())
        model = make_pipeline(columns, LogisticRegression(C=strength)).fit(inputs, labels)
        signature = mlflow.models.infer_signature(inputs, model.predict(inputs), params={"threshold": 0.5})
        mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=NAME,
            signature=signature,
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
