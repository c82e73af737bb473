"""Trains a model and registers it: an ordinary MLflow program that does not know of Vedette.

python train.py
"""

from __future__ import annotations

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAME = "tumours"


def main() -> None:
    frame = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=0)
    label = frame.pop("target").map({0: "malignant", 1: "benign"})
    past, later = slice(None, 400), slice(400, None)  # what the model is made from, and what it will be asked
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[past], label[past])
    signature = mlflow.models.infer_signature(frame[past], model.predict(frame[past]))
    mlflow.sklearn.log_model(model, name="model", signature=signature, registered_model_name=NAME)
    newest = mlflow.MlflowClient().search_model_versions(f"name='{NAME}'", order_by=["version_number DESC"])[0]
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", newest.version)
    frame[past].assign(diagnosis=label[past]).to_csv("reference.csv", index=False)
    frame[later].assign(diagnosis=label[later]).to_csv("later.csv", index=False)
    print(f"models:/{NAME}@champion is version {newest.version}")


if __name__ == "__main__":
    main()
