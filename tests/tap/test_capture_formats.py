"""Requests in every wire format, with literal bodies."""

from __future__ import annotations

import gzip
import json
import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, decode
from vedette_specs import Schema

AUTO = CaptureSpec()
MIXED = Schema({"age": "numeric", "work": "category"}, "binary", ("<=50K", ">50K"), ">50K", 0.5, "income")
NUMBERS = Schema({"a": "numeric", "b": "numeric"}, "multiclass", ("x", "y", "z"))
TWO_ROWS = [{"age": 39.0, "work": "State-gov"}, {"age": 50.0, "work": None}]


def rows(body: Any, schema: Schema = MIXED, **call: Any) -> list[dict[str, Any]]:
    return decode(Call(body, **call), schema, AUTO).to_records()


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[39, "State-gov"], [50, null]]}',
        b'{"instances": [{"age": 39, "work": "State-gov"}, {"age": 50}]}',
        b'{"inputs": {"age": [39, 50], "work": ["State-gov", null]}}',
        b'{"inputs": [[39, "State-gov"], [50, null]]}',
        b'{"dataframe_split": {"columns": ["work", "age"], "index": [0, 1], "data": [["State-gov", 39], [null, 50]]}}',
        b'{"dataframe_split": {"data": [[39, "State-gov"], [50, null]]}}',
        b'{"dataframe_records": [{"age": 39, "work": "State-gov"}, {"age": 50, "work": null}], "params": {}}',
        b'[{"age": 39, "work": "State-gov"}, {"age": 50, "work": null, "extra": 1}]',
        b'[[39, "State-gov"], [50, null]]',
        b'{"age": [39, 50], "work": ["State-gov", null]}',
        b'[["39", "State-gov"], [" 5e1 ", null]]',
        b'"[[39, \\"State-gov\\"], [50, null]]"',
        b'{"data": {"names": ["work", "age"], "ndarray": [["State-gov", 39], [null, 50]]}}',
        b'{"inputs": [{"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [39, 50]},'
        b' {"name": "work", "shape": [2], "datatype": "BYTES", "data": ["State-gov", null]}]}',
        b'{"inputs": [{"name": "age", "shape": [2], "datatype": "INT64", "data": [39, 50],'
        b' "parameters": {"content_type": "pd"}},'
        b' {"name": "work", "shape": [2, 1], "datatype": "BYTES", "data": [["State-gov"], [null]]}]}',
    ],
)
def test_the_same_two_rows_in_every_format(body: bytes) -> None:
    assert rows(body) == TWO_ROWS
    assert rows(gzip.compress(body)) == TWO_ROWS
    assert rows(json.loads(body)) == TWO_ROWS if not body.startswith(b'"') else True


def test_one_record_is_one_row() -> None:
    assert rows(b'{"age": 39, "work": "State-gov", "unknown": {"deep": []}}') == TWO_ROWS[:1]


def test_a_flat_list_of_as_many_values_as_features_is_one_row() -> None:
    assert rows(b"[1, 2]", NUMBERS) == [{"a": 1.0, "b": 2.0}]


def test_flat_and_nested_tensor_data_are_the_same() -> None:
    flat = b'{"id":"42","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","parameters":{},"data":[1,2,3,4]}]}'
    nested = flat.replace(b"[1,2,3,4]", b"[[1,2],[3,4]]")
    assert rows(flat, NUMBERS) == rows(nested, NUMBERS) == [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]


@pytest.mark.parametrize("datatype", ["INT8", "UINT64", "FP16", "FP64", "BOOL"])
def test_every_datatype_of_numbers(datatype: str) -> None:
    values = [True, False] if datatype == "BOOL" else [1, 0]
    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": datatype, "data": values}]}
    assert rows(body, NUMBERS) == [{"a": 1.0, "b": 0.0}]


def test_integer_tensors_may_hold_null() -> None:
    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "INT64", "data": [None, 3]}]}
    assert rows(body, NUMBERS) == [{"a": None, "b": 3.0}]


def test_a_tensor_of_strings_for_all_columns() -> None:
    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "BYTES", "data": ["39", "State-gov"]}]}
    assert rows(body) == TWO_ROWS[:1]


def test_binary_tensors_need_no_length_header() -> None:
    numbers = struct.pack("<2f", 39.0, 50.0)
    text = b"".join(struct.pack("<I", len(s)) + s for s in (b"State-gov", b"Private"))
    head = {
        "inputs": [
            {"name": "age", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": len(numbers)}},
            {"name": "work", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(text)}},
        ]
    }
    expected = [{"age": 39.0, "work": "State-gov"}, {"age": 50.0, "work": "Private"}]
    assert rows(json.dumps(head).encode() + numbers + text) == expected


def test_csv_by_content_type() -> None:
    body = b"age,work\n39,State-gov\n50,\n"
    assert rows(body, headers={"Content-Type": "text/csv; charset=utf-8"}) == TWO_ROWS


@pytest.mark.parametrize(
    "args",
    [
        (np.array([[1.0, 2.0]]),),
        (np.array([1, 2]),),
        ([[1, 2]],),
        ([{"a": 1, "b": "2"}],),
        ({"a": 1, "b": 2},),
        (pd.DataFrame({"b": [2.0], "a": [1.0], "c": ["more"]}),),
        (pd.Series([1.0, 2.0]),),
        (1, 2.0),
        (SimpleNamespace(scope={}), [[1, 2]]),
        (b"[[1, 2]]",),
        ([SimpleNamespace(model_dump=lambda: {"a": 1, "b": 2})],),
    ],
)
def test_arguments_of_the_model(args: tuple[Any, ...]) -> None:
    assert decode(Call(args=args), NUMBERS, AUTO).to_records() == [{"a": 1.0, "b": 2.0}]


def test_keyword_arguments() -> None:
    assert decode(Call(kwargs={"a": 1, "b": 2}), NUMBERS, AUTO).to_records() == [{"a": 1.0, "b": 2.0}]
    assert decode(Call(kwargs={"x": [[1, 2]]}), NUMBERS, AUTO).to_records() == [{"a": 1.0, "b": 2.0}]


def test_a_single_feature_takes_scalars() -> None:
    schema = Schema({"review": "text"})
    assert rows(b'{"instances": ["good", "bad"]}', schema) == [{"review": "good"}, {"review": "bad"}]
    assert rows(b'"good"', schema) == [{"review": "good"}]


def test_embeddings_and_images_are_whole_columns() -> None:
    embedding = Schema({"v": "embedding"})
    assert decode(Call({"instances": [[1, 2, 3], [4, 5, 6]]}), embedding, AUTO).inputs["v"].values.shape == (2, 3)
    assert decode(Call({"v": [1, 2, 3]}), embedding, AUTO).inputs["v"].values.shape == (1, 3)
    assert decode(Call({"v": [[1, 2], [3, 4]]}), embedding, AUTO).inputs["v"].values.shape == (2, 2)
    assert decode(Call([1, 2, 3]), embedding, AUTO).inputs["v"].values.shape == (1, 3)
    image = Schema({"pixels": "image"})
    assert decode(Call(args=(np.zeros((5, 8, 8, 3)),)), image, AUTO).inputs["pixels"].values.shape == (5, 8, 8, 3)
    batch = decode(Call([{"v": None}, {"v": [1, 2]}]), embedding, AUTO)
    assert batch.inputs["v"].missing().tolist() == [True, False]


def test_a_feature_that_a_call_lacks_is_missing() -> None:
    batch = decode(Call([{"age": 1}, {"age": 2}]), MIXED, AUTO)
    assert batch.inputs["work"].missing().all()
    assert list(batch.inputs) == ["age", "work"]


def test_without_a_schema_columns_and_kinds_come_from_the_call() -> None:
    batch = decode(Call([{"n": 1, "c": "x"}]), Schema(), AUTO)
    assert {name: column.kind for name, column in batch.inputs.items()} == {"n": "numeric", "c": "category"}
    assert list(decode(Call([[1, 2]]), Schema(), AUTO).inputs) == ["x0", "x1"]


def test_numbers_and_booleans_become_categories() -> None:
    schema = Schema({"c": "category"})
    found = decode(Call([{"c": 1.0}, {"c": True}, {"c": "one"}, {"c": float("nan")}]), schema, AUTO)
    assert found.inputs["c"].to_list() == ["1", "True", "one", None]


def test_redacted_values_never_leave() -> None:
    schema = Schema({"age": "numeric", "ssn": "category"})
    capture = CaptureSpec(attributes={"region": "header.x-region"})
    call = Call({"age": 1, "ssn": "123-45"}, headers={"x-region": "eu"})
    batch = decode(call, schema, capture, redact=("ssn", "region"))
    assert batch.inputs["ssn"].missing().all()
    assert batch.inputs["ssn"].categories == ()
    assert batch.attributes["region"].missing().all()
    assert b"123-45" not in batch.to_bytes()


def test_a_redacted_value_of_the_wrong_kind_is_not_shown_either() -> None:
    schema = Schema({"age": "numeric", "ssn": "numeric"})
    assert decode(Call({"age": 1, "ssn": "123-45"}), schema, AUTO, redact=("ssn",)).inputs["ssn"].missing().all()
