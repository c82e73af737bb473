"""What cannot be read is refused with the field, its value and what is allowed, and by nothing but Undecodable."""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import MAX_ROWS, Call, Undecodable, decode
from vedette_specs import Schema

AUTO = CaptureSpec()
SCHEMA = Schema({"age": "numeric", "work": "category"}, "binary", ("no", "yes"), "yes")
FIRST = "body.inputs.0"
SCHEMAS = [
    SCHEMA,
    Schema(),
    Schema({"x": "numeric"}, "regression"),
    Schema({"t": "text"}, "multiclass", ("0", "1", "2")),
    Schema({"v": "embedding", "p": "image"}, "none"),
]


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], **changes}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe\x00", "body"),
        (b"\x1f\x8bnonsense", "body"),
        (gzip.compress(b"[[1, 2]]", mtime=0)[:-6], "body"),
        (b"[" * 100_000, "body"),
        (b"[" * 80 + b"]" * 80, "body"),
        (b"[]", "body"),
        (b'{"instances": []}', "body.instances"),
        (b'{"instances": 3}', "body.instances"),
        (b'{"instances": [[1, "a"], [1]]}', "body.instances.1"),
        (b'{"instances": [[1, "a", 3]]}', "body.instances.0"),
        (b'{"instances": [{"age": 1}, 3]}', "body.instances.1"),
        (b'{"instances": [1, 2]}', "body.instances"),
        (b'{"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}', "body.dataframe_split.data.0"),
        (b'{"dataframe_split": {"columns": "age", "data": [[1]]}}', "body.dataframe_split.columns"),
        (b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}', "body.dataframe_split.data"),
        (b'{"dataframe_split": []}', "body.dataframe_split"),
        (b'{"nothing": "known"}', "body"),
        (b'{"age": [1, 2], "work": ["a"]}', "body"),
        (b'{"age": "old", "work": "a"}', "age"),
        (b'{"age": "", "work": "a"}', "age"),
        (b'{"age": {"years": 3}, "work": "a"}', "age"),
        (b'{"age": 1, "work": ["a"]}', "work"),
        (b"7", "body"),
        (b"null", "body"),
        (tensor(datatype="FP128"), "body.inputs.0.datatype"),
        (tensor(shape=[2, 2]), "body.inputs.0.data"),
        (tensor(shape=[-1, -2]), "body.inputs.0.shape"),
        (tensor(shape="2"), "body.inputs.0.shape"),
        (tensor(data=None), "body.inputs.0.data"),
        (tensor(data=[1, "a"]), "body.inputs.0.data"),
        (tensor(data=[[1], [1, 2]]), "body.inputs.0.data"),
        (tensor(shape=[0, 2], data=[]), "body.inputs.0.shape"),
        (tensor(shape=[2, 1]), "body.inputs"),
        ({"inputs": [tensor()["inputs"][0], {"name": "age", "shape": [3], "data": [1, 2, 3]}]}, "body.inputs"),
        ({"inputs": [{"name": "age", "shape": [1], "data": [1]}, 5]}, "body.inputs.1"),
        (b'{"inputs": [{"name":"x","parameters":{"binary_data_size":4}}]}\xff', f"{FIRST}.parameters.binary_data_size"),
        ([[1]] * (MAX_ROWS + 1), "body"),
        (np.zeros((2, 3)), "body"),
        (np.array([object()]), "body"),
    ],
)  # fmt: skip
def test_the_field_is_named(body: Any, field: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(Call(body), SCHEMA, AUTO)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert len(str(caught.value)) < 1000


def test_the_wrong_value_and_what_is_allowed_are_named() -> None:
    with pytest.raises(Undecodable) as caught:
        decode(Call([{"age": 1}, {"age": "old"}]), SCHEMA, AUTO)
    assert (caught.value.field, caught.value.value) == ("age", "old")
    assert "numbers, or strings that are numbers" in caught.value.allowed


def test_a_gzip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.engine.capture.body.MAX_BODY", 1000)
    with pytest.raises(Undecodable, match="at most 1000 bytes unpacked"):
        decode(Call(gzip.compress(b"[" + b"1," * 100_000 + b"1]", mtime=0)), SCHEMA, AUTO)
    with pytest.raises(Undecodable, match="at most 1000 bytes"):
        decode(Call(b" " * 1001), SCHEMA, AUTO)


class Hostile:
    """A stranger's object whose every method raises."""

    @property
    def columns(self) -> list[str]:
        return ["age"]

    def __getitem__(self, name: str) -> Any:
        raise RuntimeError("not today")

    def __repr__(self) -> str:
        raise RuntimeError("not even this")


def test_a_strangers_object_that_raises_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="not today"):
        decode(Call(args=(Hostile(),)), SCHEMA, AUTO)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.sampled_from(
    ["age", "work", "x", "t", "v", "p", "name", "shape", "datatype", "data", "id", "other", "yes", "no"]
)
keys = names | st.sampled_from(
    [
        *("inputs", "outputs", "instances", "dataframe_split", "dataframe_records", "columns", "ndarray", "tensor"),
        *("parameters", "values", "names", "predictions", "prediction", "probabilities", "score"),
    ]
)
json_like = st.recursive(
    scalars | st.sampled_from(["FP32", "INT64", "BYTES", "BOOL"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
paths = st.sampled_from(
    ["auto", "body", "body.rows", "body.inputs.0", "response.score", "args.0", "kwargs.x", "inputs.x", "none", ""]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=json_like,
    response=json_like,
    encoded=st.booleans(),
    schema=st.sampled_from(SCHEMAS),
    capture=st.builds(
        CaptureSpec, inputs=paths, prediction=paths, probabilities=paths, id=paths, time=st.none() | paths,
        attributes=st.dictionaries(names, paths, max_size=2),
    ),
)  # fmt: skip
def test_nothing_but_undecodable(body: Any, response: Any, encoded: bool, schema: Schema, capture: CaptureSpec) -> None:
    call = Call(json.dumps(body).encode() if encoded else body, json.dumps(response).encode() if encoded else response)
    try:
        batch = decode(call, schema, capture)
    except Undecodable:
        return
    assert 0 < len(batch) <= MAX_ROWS
    assert len(type(batch).from_bytes(batch.to_bytes(), batch.schema)) == len(batch)


def test_an_answer_that_is_a_ragged_list_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        decode(Call({"instances": [{"age": 1, "work": "a"}]}, [None, []]), SCHEMA, AUTO)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200), prefix=st.sampled_from([b"", b"\x1f\x8b", b"{", b'{"inputs":[{"name":"x",', b"["]))
def test_any_bytes(body: bytes, prefix: bytes) -> None:
    with contextlib.suppress(Undecodable):
        decode(Call(prefix + body, body), SCHEMA, AUTO)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"age": st.none() | st.floats(allow_nan=False), "work": st.none() | st.text(max_size=5)}),
        min_size=1,
        max_size=20,
    )
)
def test_what_is_written_is_read(rows: list[dict[str, Any]]) -> None:
    batch = decode(Call(json.dumps({"instances": rows}).encode()), SCHEMA, AUTO)
    assert batch.to_records() == rows
