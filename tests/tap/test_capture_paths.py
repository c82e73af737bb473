"""Capture paths, ids, times and attributes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, Undecodable, decode
from vedette_specs import Batch, Schema

SCHEMA = Schema({"age": "numeric", "work": "category"}, "binary", ("no", "yes"), "yes")
ROW = {"age": 1, "work": "a"}


def read(call: Call, **capture: Any) -> Batch:
    return decode(call, SCHEMA, CaptureSpec(**capture))


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("body.rows", Call(b'{"rows": [{"age": 1, "work": "a"}]}')),
        ("body.deep.0.rows", Call({"deep": [{"rows": [ROW]}]})),
        ("body.dotted.key", Call({"dotted.key": [ROW]})),
        ("args.0", Call(args=([ROW],))),
        ("args.1.frame", Call(args=(1, {"frame": pd.DataFrame([ROW])}))),
        ("kwargs.x", Call(kwargs={"x": [ROW]})),
        ("response.echo", Call(None, b'{"echo": [{"age": 1, "work": "a"}]}')),
        ("body", Call([ROW])),
    ],
)
def test_inputs_by_path(path: str, call: Call) -> None:
    assert read(call, inputs=path).to_records() == [ROW]


@pytest.mark.parametrize("path", ["body.rowz", "args.4", "kwargs.x", "nowhere.x", "header.rows"])
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    with pytest.raises(Undecodable) as caught:
        read(Call({"rows": [ROW]}), inputs=path)
    assert path in str(caught.value) or caught.value.field == "capture"


def test_the_full_example_of_the_documentation() -> None:
    batch = read(
        Call(
            b'{"rows": [{"age": 1, "work": "a"}, {"age": 2, "work": "b"}]}',
            b'{"income": ["no", "yes"], "score": [0.1, 0.8]}',
            {"X-Region": "eu", "X-Request-Id": "r-77"},
        ),
        inputs="body.rows",
        prediction="response.income",
        probabilities="response.score",
        attributes={"region": "header.x-region"},
    )
    assert batch.ids is not None
    assert batch.ids.tolist() == ["r-77", "r-77"]
    assert batch.rows is not None
    assert batch.rows.tolist() == [0, 1]
    assert batch.attributes["region"].to_list() == ["eu", "eu"]
    np.testing.assert_allclose(batch.probabilities, [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("call", "capture", "ids"),
    [
        (Call([ROW], request_id="r1", headers={"x-request-id": "r2"}), {}, ["r1"]),
        (Call([ROW], headers={"X-REQUEST-ID": "r2"}), {}, ["r2"]),
        (Call([ROW], headers={b"x-request-id": b"r2"}), {}, ["r2"]),
        (Call([ROW], headers={"Ce-Id": "c", "Ce-Requestid": "puid"}), {}, ["puid"]),
        (Call({"id": "42", "instances": []}), None, None),
        (Call({"id": "42", "inputs": [ROW]}), {}, ["42"]),
        (Call([ROW], {"id": "43", "outputs": []}), {"prediction": "none"}, ["43"]),
        (Call({"key": "k", "rows": [ROW]}, request_id="r1"), {"inputs": "body.rows", "id": "body.key"}, ["k"]),
        (Call({"rows": [ROW]}, request_id="r1"), {"inputs": "body.rows", "id": "body.key"}, ["r1"]),
        (Call([{**ROW, "n": 5}, {**ROW, "n": 6}]), {"id": "inputs.n", "attributes": {"n": "inputs.n"}}, ["5", "6"]),
        (Call([ROW]), {}, None),
    ],
)
def test_where_the_request_id_comes_from(call: Call, capture: dict[str, Any] | None, ids: list[str] | None) -> None:
    if capture is None:
        with pytest.raises(Undecodable):
            read(call)
        return
    batch = read(call, **capture)
    assert (None if batch.ids is None else batch.ids.tolist()) == ids


def test_rows_with_ids_of_their_own_are_row_zero_of_them() -> None:
    batch = read(Call({"rows": [ROW, ROW], "ids": [7, 8]}), inputs="body.rows", id="body.ids")
    assert batch.rows is not None
    assert batch.rows.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2021-04-10T01:22:16.498917288Z", 1618017736.498917),
        ("2021-04-10T01:22:16+00:00", 1618017736.0),
        ("2021-04-10T03:22:16+02:00", 1618017736.0),
        ("2021-04-10T01:22:16", 1618017736.0),
        ("2021-04-10", 1618012800.0),
        (1618017736, 1618017736.0),
        (1618017736.5, 1618017736.5),
        ("1618017736", 1618017736.0),
        (1618017736500, 1618017736.5),
        (1618017736500000, 1618017736.5),
        (1618017736500000000, 1618017736.5),
        (dt.datetime(2021, 4, 10, 1, 22, 16, tzinfo=dt.UTC), 1618017736.0),
        (np.datetime64("2021-04-10T01:22:16"), 1618017736.0),
    ],
)
def test_event_times(value: Any, seconds: float) -> None:
    batch = read(Call({"rows": [ROW], "at": value}), inputs="body.rows", time="body.at")
    assert batch.times is not None
    assert batch.times.tolist() == [pytest.approx(seconds, abs=1e-6)]


def test_event_times_a_row() -> None:
    batch = read(Call([{**ROW, "at": 10}, {**ROW, "at": 20}]), time="body.at")
    assert batch.times is not None
    assert batch.times.tolist() == [10.0, 20.0]


@pytest.mark.parametrize("value", ["yesterday", True, float("nan"), [1, 2, 3], {}, 1e300])
def test_wrong_times_are_named(value: Any) -> None:
    with pytest.raises(Undecodable) as caught:
        read(Call({"rows": [ROW], "at": value}), inputs="body.rows", time="body.at")
    assert caught.value.field == "body.at"


def test_a_call_without_its_time_takes_the_platforms() -> None:
    assert read(Call([ROW], time=5.0), time="header.date").times.tolist() == [5.0]  # type: ignore[union-attr]
    assert read(Call([ROW]), time="header.date").times is None


def test_attributes_of_platform_header_and_rows() -> None:
    batch = read(
        Call([{**ROW, "site": "n"}, {**ROW, "site": "s"}], attributes={"model_version": 3}),
        attributes={"site": "inputs.site", "region": "header.x-region"},
    )
    assert batch.attributes["site"].to_list() == ["n", "s"]
    assert batch.attributes["region"].to_list() == [None, None]
    assert batch.attributes["model_version"].to_list() == ["3", "3"]


def test_an_attribute_of_the_wrong_length_is_named() -> None:
    with pytest.raises(Undecodable, match=r"attributes\.v: '2 values'"):
        read(Call([ROW] * 3, attributes={"v": [1, 2]}))
