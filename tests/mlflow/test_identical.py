"""What a client sees is what `mlflow models serve` shows it: status, headers and body, byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.mlflow.servers import JSON, Answer, Server, records

SPLIT = records(2)["dataframe_split"]
ROWS = [dict(zip(SPLIT["columns"], row, strict=True)) for row in SPLIT["data"]]
TABLE = "mean radius,mean texture,mean smoothness,perimeter,size\n14.0,20.0,0.1,90,medium\n15.0,21.0,0.1,91,large\n"
CSV = {"Content-Type": "text/csv"}


@dataclass(frozen=True)
class Form:
    name: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    path: str = "/invocations"
    method: str = "POST"

    @property
    def data(self) -> bytes | None:
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type}


FORMS = [
    Form("dataframe_split", {"dataframe_split": SPLIT}),
    Form("split with index", {"dataframe_split": {**SPLIT, "index": [7, 9]}}),
    Form("split, columns in another order", {"dataframe_split": {k: SPLIT[k] for k in ("data", "columns")}}),
    Form("split of one row", records(1)),
    Form("split of no rows", {"dataframe_split": {**SPLIT, "data": []}}),
    Form("split with a column too many", {"dataframe_split": {**SPLIT, "columns": [*SPLIT["columns"], "more"]}}),
    Form("split without columns", {"dataframe_split": {"data": SPLIT["data"]}}),
    Form("split that is a list", {"dataframe_split": ROWS}),
    Form("split with 500 rows", records(500)),
    Form("dataframe_records", {"dataframe_records": ROWS}),
    Form("records with an additional key", {"dataframe_records": [{**row, "more": 1} for row in ROWS]}),
    Form("records without a column", {"dataframe_records": [{"mean radius": 14.0}]}),
    Form("records that are an object", {"dataframe_records": SPLIT}),
    Form("records, none", {"dataframe_records": []}),
    Form("records with null", {"dataframe_records": [{**ROWS[0], "mean texture": None}]}),
    Form("records with a text for a number", {"dataframe_records": [{**ROWS[0], "mean texture": "much"}]}),
    Form("records with a fraction for a whole number", {"dataframe_records": [{**ROWS[0], "perimeter": 90.5}]}),
    Form("records with an unknown category", {"dataframe_records": [{**ROWS[0], "size": "gigantic"}]}),
    Form("instances, records", {"instances": ROWS}),
    Form("instances, matrix", {"instances": SPLIT["data"]}),
    Form("instances, empty", {"instances": []}),
    Form("inputs, columns", {"inputs": {name: [row[name] for row in ROWS] for name in SPLIT["columns"]}}),
    Form("inputs, matrix", {"inputs": SPLIT["data"]}),
    Form("inputs, a number", {"inputs": 3}),
    Form("inputs, columns of different length", {"inputs": {"mean radius": [1.0, 2.0], "perimeter": [1]}}),
    Form("params", {"dataframe_split": SPLIT, "params": {"threshold": 0.7}}),
    Form("params of a wrong type", {"dataframe_split": SPLIT, "params": {"threshold": "high"}}),
    Form("params that nobody knows", {"dataframe_split": SPLIT, "params": {"temperature": 1}}),
    Form("params that are a list", {"dataframe_split": SPLIT, "params": [1]}),
    Form("two formats at once", {"dataframe_split": SPLIT, "instances": ROWS}),
    Form("no known key", {"rows": ROWS}),
    Form("LLM key", {"messages": [{"role": "user", "content": "hello"}]}),
    Form("a bare list", ROWS),
    Form("a bare number", "3"),
    Form("JSON cut off", '{"dataframe_split": {"columns": ['),
    Form("NaN", '{"dataframe_records": [{"mean radius": NaN}]}'),
    Form("not UTF-8", b"\xff\xfe{}"),
    Form("an empty body", ""),
    Form("no body"),
    Form("charset", {"dataframe_split": SPLIT}, typed("application/json; charset=utf-8")),
    Form("charset in capitals", {"dataframe_split": SPLIT}, typed("application/json; charset=UTF-8")),
    Form("another charset", {"dataframe_split": SPLIT}, typed("application/json; charset=latin-1")),
    Form("another parameter", {"dataframe_split": SPLIT}, typed("application/json; format=pandas-split")),
    Form("text/plain", {"dataframe_split": SPLIT}, typed("text/plain")),
    Form("no content type", {"dataframe_split": SPLIT}, {}),
    Form("csv", TABLE, CSV),
    Form("csv with charset", TABLE, typed("text/csv; charset=utf-8")),
    Form("csv of a head only", TABLE.splitlines()[0] + "\n", CSV),
    Form("csv, wrong columns", "a,b\n1,2\n", CSV),
    Form("csv, ragged", TABLE + "1,2,3,4,5,6,7\n", CSV),
    Form("csv, not UTF-8", b"a\n\xff\n", CSV),
    Form("csv, empty", "", CSV),
    Form("parquet that is none", b"PAR1", typed("application/x-parquet")),
    Form("gzip", b"\x1f\x8b00", JSON),
    Form("GET", None, {}, method="GET"),
    Form("PUT", records(1), method="PUT"),
    Form("OPTIONS", None, {}, method="OPTIONS"),
    Form("HEAD", None, {}, method="HEAD"),
    Form("a slash behind", records(1), path="/invocations/"),
    Form("a query", records(1), path="/invocations?a=1"),
    Form("ping", None, {}, "/ping", "GET"),
    Form("ping by POST", "", {}, "/ping", "POST"),
    Form("health", None, {}, "/health", "GET"),
    Form("health by HEAD", None, {}, "/health", "HEAD"),
    Form("version", None, {}, "/version", "GET"),
    Form("version by POST", "{}", JSON, "/version", "POST"),
    Form("root", None, {}, "/", "GET"),
    Form("unknown", None, {}, "/nothing", "GET"),
    Form("unknown by POST", records(1), JSON, "/predict"),
    Form("nearly ours", None, {}, "/vedetted", "GET"),
    Form("documentation", None, {}, "/docs", "GET"),
    Form("OpenAPI", None, {}, "/openapi.json", "GET"),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_answers_are_those_of_mlflow(servers: dict[str, Server], form: Form) -> None:
    plain, watched, strict = (
        servers[name].ask(form.method, form.path, form.data, form.headers) for name in ("plain", "watched", "strict")
    )
    assert seen(strict, servers["strict"]) == seen(plain, servers["plain"])
    identified = form.method == "POST" and form.path.partition("?")[0] == "/invocations"
    assert (watched.header("x-request-id") is not None) == identified
    assert seen(watched, servers["watched"], but=("x-request-id",)) == seen(plain, servers["plain"])


def test_the_forms_hold_what_succeeds_and_what_fails(servers: dict[str, Server]) -> None:
    found = {servers["plain"].ask(form.method, form.path, form.data, form.headers).status for form in FORMS}
    assert {200, 307, 400, 404, 405, 415} <= found


def seen(answer: Answer, server: Server, but: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """All that a client sees, but for the time and the server's own address."""
    left_out = ("date", *but)
    headers = [(name, value.replace(f":{server.port}", ":PORT")) for name, value in answer.headers]
    return answer.status, answer.reason, [pair for pair in headers if pair[0] not in left_out], answer.body
