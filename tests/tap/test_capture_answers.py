"""Responses: classes, values and probabilities in every form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, Undecodable, decode
from vedette.engine.capture.call import failed
from vedette_specs import Batch, Schema

AUTO = CaptureSpec()
BINARY = Schema({"a": "numeric"}, "binary", ("<=50K", ">50K"), ">50K", 0.5, "income")
REVERSED = Schema({"a": "numeric"}, "binary", ("bad", "good"), "bad", 0.3)
DIGITS = Schema({"a": "numeric"}, "multiclass", ("1", "2", "3"))
THREE = Schema({"a": "numeric"}, "multiclass", ("x", "y", "z"))
PRICE = Schema({"a": "numeric"}, "regression", label="price")


class Response:
    """As starlette's."""

    def __init__(self, body: bytes, status_code: int = 200) -> None:
        self.body = body
        self.status_code = status_code


def answer(response: Any, n: int = 2, schema: Schema = BINARY, **capture: Any) -> Batch:
    return decode(Call([[i] for i in range(n)], response), schema, CaptureSpec(**capture))


def classes(batch: Batch) -> Any:
    return None if batch.prediction is None else batch.prediction.to_list()


@pytest.mark.parametrize(
    "response",
    [
        b'{"predictions": ["<=50K", ">50K"]}',
        b'{"predictions": [0, 1]}',
        b'{"predictions": [[0], [1]]}',
        b'{"predictions": [0.0, 1.0]}',
        b'{"prediction": [0, 1]}',
        b'{"income": ["<=50K", ">50K"]}',
        b'["<=50K", ">50K"]',
        b"[0, 1]",
        b'[{"label": "<=50K"}, {"label": ">50K"}]',
        b'{"model_name":"m","id":"42","outputs":[{"name":"predict","shape":[2,1],"datatype":"INT64","data":[0,1]}]}',
        b'{"outputs": [{"name": "predict", "shape": [2], "datatype": "BYTES", "data": ["<=50K", ">50K"]}]}',
        b'{"outputs": [{"name": "whatever", "shape": [2], "datatype": "INT64", "data": [0, 1]}]}',
        np.array([0, 1]),
        np.array(["<=50K", ">50K"]),
        np.array([[0], [1]]),
        (0, 1),
        [False, True],
        pd.DataFrame({"prediction": [0, 1]}),
        Response(b'{"predictions": [0, 1]}'),
    ],
)
def test_classes_by_name_and_by_index(response: Any) -> None:
    batch = answer(response)
    assert classes(batch) == ["<=50K", ">50K"]
    assert batch.probabilities is None
    assert batch.prediction is not None
    assert batch.prediction.categories == ("<=50K", ">50K")


@pytest.mark.parametrize(
    "response",
    [
        b'{"predictions": [[0.8, 0.2], [0.25, 0.75]]}',
        b'{"predictions": [0.2, 0.75]}',
        b'{"predictions": [[0.2], [0.75]]}',
        b'{"probabilities": [[0.8, 0.2], [0.25, 0.75]]}',
        b'{"prediction": ["<=50K", ">50K"], "score": [0.2, 0.75]}',
        b'[{"prediction": 0, "probability": 0.2}, {"prediction": 1, "probability": 0.75}]',
        b'[{"<=50K": 0.8, ">50K": 0.2}, {"<=50K": 0.25, ">50K": 0.75}]',
        b'{"<=50K": [0.8, 0.25], ">50K": [0.2, 0.75]}',
        b'{"probabilities": [{"<=50K": 0.8, ">50K": 0.2}, {"<=50K": 0.25, ">50K": 0.75}]}',
        b'{"outputs":[{"name":"predict","shape":[2],"datatype":"INT64","data":[0,1]},'
        b'{"name":"probabilities","shape":[2,2],"datatype":"FP32","data":[0.8,0.2,0.25,0.75]}]}',
        np.array([[0.8, 0.2], [0.25, 0.75]]),
        np.array([0.2, 0.75]),
    ],
)
def test_probabilities_are_two_columns_in_the_order_of_the_classes(response: Any) -> None:
    batch = answer(response)
    assert classes(batch) == ["<=50K", ">50K"]
    np.testing.assert_allclose(batch.probabilities, [[0.8, 0.2], [0.25, 0.75]])


def test_a_score_is_the_probability_of_the_positive_class_wherever_it_stands() -> None:
    batch = answer({"score": [0.2, 0.75]}, schema=REVERSED)
    np.testing.assert_allclose(batch.probabilities, [[0.2, 0.8], [0.75, 0.25]])
    assert classes(batch) == ["good", "bad"]
    assert classes(answer({"score": [0.29, 0.3]}, schema=REVERSED)) == ["good", "bad"]


def test_numbers_are_labels_where_the_classes_are_numbers() -> None:
    assert classes(answer([1, 3], schema=DIGITS)) == ["1", "3"]
    assert classes(answer([1.0, 2.0], schema=DIGITS)) == ["1", "2"]
    assert classes(answer([0, 2], schema=THREE)) == ["x", "z"]


def test_one_row_may_answer_with_a_scalar_or_one_row_of_probabilities() -> None:
    assert classes(answer(b'">50K"', 1)) == [">50K"]
    assert classes(answer(b">50K", 1)) == [">50K"]
    assert classes(answer(1, 1)) == [">50K"]
    assert classes(answer(np.int64(1), 1)) == [">50K"]
    assert classes(answer(0.9, 1)) == [">50K"]
    assert classes(answer([0.1, 0.7, 0.2], 1, THREE)) == ["y"]
    assert classes(answer({"prediction": 1, "probabilities": [0.1, 0.9]}, 1)) == [">50K"]


def test_regression_takes_numbers_only() -> None:
    batch = answer(b'{"predictions": [1.5, null]}', schema=PRICE)
    assert batch.prediction is not None
    assert batch.prediction.kind == "numeric"
    assert classes(batch) == [1.5, None]
    assert classes(answer({"price": [1, "2.5"]}, schema=PRICE)) == [1.0, 2.5]
    with pytest.raises(Undecodable, match=r"response\.predictions.*allowed: a number a row"):
        answer({"predictions": ["cheap", "dear"]}, schema=PRICE)


@pytest.mark.parametrize("response", [None, {}, {"message": "hello"}, object()])
def test_an_answer_without_a_prediction_leaves_the_inputs(response: Any) -> None:
    batch = answer(response)
    assert batch.prediction is None
    assert len(batch) == 2


def test_missing_predictions_and_probabilities() -> None:
    assert classes(answer([None, 1])) == [None, ">50K"]
    batch = answer({"score": [None, 0.75]})
    assert classes(batch) == [None, ">50K"]
    assert np.isnan(batch.probabilities[0]).all()  # type: ignore[index]


def test_an_unseen_class_is_kept_as_it_is() -> None:
    assert classes(answer(["abstain", ">50K"])) == ["abstain", ">50K"]


def test_named_paths_win() -> None:
    response = {"out": {"cls": ["<=50K", ">50K"], "p": [0.9, 0.1]}}
    batch = answer(response, prediction="response.out.cls", probabilities="response.out.p")
    assert classes(batch) == ["<=50K", ">50K"]
    np.testing.assert_allclose(batch.probabilities, [[0.1, 0.9], [0.9, 0.1]])
    only = answer(response, probabilities="response.out.p")
    assert classes(only) == [">50K", "<=50K"]
    none = answer({"prediction": [0, 1], "score": [7.0, 9.0]}, prediction="response.prediction", probabilities="none")
    assert none.probabilities is None


@pytest.mark.parametrize(
    ("response", "field"),
    [
        ({"predictions": [0]}, "response.predictions"),
        ({"predictions": [0, 7]}, "response.predictions"),
        ({"predictions": [0, {"a": 1}]}, "response.predictions"),
        ({"prediction": [0, 1], "score": [0.5]}, "response.score"),
        ({"prediction": [0, 1], "score": [0.5, 3.2]}, "response.score"),
        ({"prediction": [0, 1], "score": ["high", "low"]}, "response.score"),
        ({"predictions": [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]}, "response.predictions"),
        ({"predictions": [[0.1, 0.9], [0.1]]}, "response.predictions"),
        ([{"prediction": 1}, 3], "response.1"),
        (b"{broken", "response"),
    ],
)
def test_wrong_answers_name_their_place(response: Any, field: str) -> None:
    with pytest.raises(Undecodable) as caught:
        answer(response)
    assert caught.value.field == field
    assert field in str(caught.value)
    assert "allowed" in str(caught.value)


def test_errors_of_the_model_are_no_predictions() -> None:
    assert failed(Call([[1]], b"{}", status=500))
    assert failed(Call([[1]], Response(b"{}", 422)))
    assert not failed(Call([[1]], Response(b"{}")))
