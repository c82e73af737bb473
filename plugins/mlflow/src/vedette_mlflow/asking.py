"""A loaded pyfunc model as explainers ask it: rows in the types of its signature, probabilities where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.engine.explain.gateway import Gateway
from vedette.engine.explain.gateway_local import LocalModel
from vedette_specs.schema import Schema

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """Answers a DataFrame as the scoring server would."""

    def __init__(self, model: Any) -> None:
        self._model = model
        signature = getattr(model.metadata, "signature", None)
        self._inputs = None if signature is None else signature.inputs

    def predict(self, frame: pd.DataFrame) -> Any:
        return self._model.predict(self._typed(frame))

    def _typed(self, frame: pd.DataFrame) -> Any:
        """Explainers hold numbers as float64; the model asks for what its signature says."""
        inputs = self._inputs
        if inputs is None:
            return frame
        if inputs.is_tensor_spec():
            return frame.to_numpy(inputs.numpy_types()[0])
        if not inputs.has_input_names():
            return frame
        names = [name for name in inputs.input_names() if name in frame]
        typed = frame[names]
        for column in inputs.inputs:
            if column.name in frame and hasattr(column.type, "to_pandas") and not frame[column.name].isna().any():
                typed = typed.assign(**{column.name: _cast(frame[column.name], column.type.to_pandas())})
        return typed


class Classifier(Predictor):
    """A scikit-learn-like model behind the flavour, which gives probabilities that its pyfunc keeps to itself."""

    def __init__(self, model: Any, raw: Any) -> None:
        super().__init__(model)
        self._raw = raw
        self.classes_ = raw.classes_

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        typed = self._typed(frame)
        named = hasattr(self._raw, "feature_names_in_") or not hasattr(self._raw, "n_features_in_")
        return self._raw.predict_proba(typed if named or not hasattr(typed, "to_numpy") else typed.to_numpy())


def _cast(values: Any, kind: Any) -> Any:
    """Categories are texts here, and every text but the empty one would be true."""
    if str(kind) == "bool" and values.dtype == object:
        return values.map(lambda value: str(value).lower() in ("true", "1"))
    return values.astype(kind)


def predictor(model: Any) -> Predictor:
    """model: an mlflow.pyfunc.PyFuncModel."""
    raw = _raw(model)
    return Classifier(model, raw) if hasattr(raw, "predict_proba") and hasattr(raw, "classes_") else Predictor(model)


def gateway(model: Any, schema: Schema, uri: str, version: str) -> Gateway:
    return Gateway(uri, schema, LocalModel(predictor(model), schema, uri), version)


def _raw(model: Any) -> Any:
    """The estimator that the flavour wraps; None for flavours that give none."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.model import PythonModel

    try:
        raw = model.get_raw_model()
    except (NotImplementedError, AttributeError, MlflowException):  # each is how some flavour says that it has none
        return None
    return None if isinstance(raw, PythonModel) else raw  # whose methods take a context
