"""A model as it was before anybody watched it: a classifier of breast tumours (the data come with scikit-learn)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from bentoml.validators import DType, Shape
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bentoml

Rows = Annotated[np.ndarray, DType("float64"), Shape((-1, 30))]


@bentoml.service(workers=2)
class Tumours:
    """Benign or malignant?"""

    def __init__(self) -> None:
        data = load_breast_cancer()
        self.classes = [str(name) for name in data.target_names]
        self.model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, data.target)

    @bentoml.api
    def predict(self, rows: Rows) -> dict[str, Any]:
        """rows: (n, 30) measurements."""
        chances = self.model.predict_proba(rows)
        return {
            "predictions": [self.classes[int(best)] for best in chances.argmax(axis=1)],
            "probabilities": chances.tolist(),
        }
