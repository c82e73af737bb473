"""Models behind HTTP: V2 (Open Inference Protocol), V1 (TF Serving, KServe) and MLflow's /invocations."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from vedette.engine.explain.gateway import BadModelUri, GatewayError
from vedette_specs.batch import Batch
from vedette_specs.columns import Column
from vedette_specs.schema import Schema

CONNECT_TIMEOUT = 5.0
_INTEGERS = ("INT", "UINT")


class HttpModel:
    """One address. Payload loggers on the way are told to leave these calls out."""

    def __init__(self, url: str, encode: Callable[[Batch], dict[str, Any]], timeout: float) -> None:
        self._url = url
        self._encode = encode
        limits = httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))
        self._client = httpx.Client(timeout=limits, headers={"Seldon-Skip-Logging": "true"})

    def ask(self, rows: Batch) -> Any:
        headers = {"Ce-Id": f"explain-{uuid.uuid4()}"}
        try:
            reply = self._client.post(self._url, json=self._encode(rows), headers=headers)
        except httpx.HTTPError as error:
            raise GatewayError(f"{self._url} does not answer: {type(error).__name__}: {error}") from error
        if reply.status_code != 200:
            raise GatewayError(f"{self._url} answered {reply.status_code}: {reply.text[:200]}")
        try:
            return reply.json()
        except ValueError as error:
            raise GatewayError(f"{self._url} answered no JSON: {reply.text[:80]!r}") from error

    def get(self, url: str) -> Any:
        """A JSON document, None where there is none."""
        try:
            reply = self._client.get(url)
            return reply.json() if reply.status_code == 200 else None
        except (httpx.HTTPError, json.JSONDecodeError):
            return None

    def close(self) -> None:
        self._client.close()


class V2Rows:
    """Rows as V2 tensors: one matrix for a model that has one input or only numbers, else one tensor a column."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._lock = threading.Lock()
        self._inputs: list[Mapping[str, Any]] | None = None
        self.metadata: Callable[[], Any] = lambda: None

    def __call__(self, rows: Batch) -> dict[str, Any]:
        wanted = self._wanted()
        if wanted and {item.get("name") for item in wanted} == set(rows.inputs) and len(wanted) > 1:
            kinds = {str(item["name"]): str(item.get("datatype", "FP64")) for item in wanted}
            return self._columns(rows, kinds)
        numeric = all(column.kind == "numeric" for column in rows.inputs.values())
        if numeric and len(wanted) <= 1:
            first = wanted[0] if wanted else {}
            return {"inputs": [_matrix(rows, str(first.get("name", "input-0")), str(first.get("datatype", "FP64")))]}
        return self._columns(rows, {})

    def _columns(self, rows: Batch, kinds: Mapping[str, str]) -> dict[str, Any]:
        tensors = [_tensor(name, column, kinds.get(name)) for name, column in rows.inputs.items()]
        return {"parameters": {"content_type": "pd"}, "inputs": tensors}

    def _wanted(self) -> list[Mapping[str, Any]]:
        """The inputs that the model's metadata names, asked for once."""
        with self._lock:
            if self._inputs is None:
                found = self.metadata()
                named = found.get("inputs") if isinstance(found, Mapping) else None
                items = named if isinstance(named, list) else []
                self._inputs = [item for item in items if isinstance(item, Mapping) and "name" in item]
            return self._inputs


def http_model(uri: str, schema: Schema, timeout: float) -> HttpModel:
    """The model at a V2, V1 or MLflow address; raises BadModelUri."""
    parts = urlsplit(uri)
    path = parts.path.rstrip("/")
    address = uri.split("?")[0].split("#")[0].rstrip("/")
    if "/v2/models/" in path:
        model = address.removesuffix("/infer")
        encode = V2Rows(schema)
        found = HttpModel(f"{model}/infer", encode, timeout)
        encode.metadata = lambda: found.get(model)
        return found
    if "/v1/models/" in path:
        return HttpModel(f"{address.removesuffix(':predict')}:predict", _v1, timeout)
    if path.endswith("/invocations"):
        return HttpModel(address, _mlflow, timeout)
    allowed = ".../v2/models/<name>, .../v1/models/<name>, .../invocations"
    raise BadModelUri(f"model.uri: {uri!r} names no protocol; allowed: {allowed}")


def _v1(rows: Batch) -> dict[str, Any]:
    if all(column.kind == "numeric" for column in rows.inputs.values()):
        return {"instances": _lists(rows)}
    return {"instances": rows.to_records()}


def _mlflow(rows: Batch) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(rows.inputs), "data": _lists(rows)}}


def _lists(rows: Batch) -> list[list[Any]]:
    return [list(row) for row in zip(*(column.to_list() for column in rows.inputs.values()), strict=True)]


def _matrix(rows: Batch, name: str, datatype: str) -> dict[str, Any]:
    flat = [_number(value, datatype) for row in _lists(rows) for value in row]
    return {"name": name, "shape": [len(rows), len(rows.inputs)], "datatype": datatype, "data": flat}


def _tensor(name: str, column: Column, datatype: str | None) -> dict[str, Any]:
    if column.kind in ("category", "text"):
        shape, kind = [len(column), 1], "BYTES"
        return {
            "name": name, "shape": shape, "datatype": kind,
            "parameters": {"content_type": "str"}, "data": column.to_list(),
        }  # fmt: skip
    kind = datatype or "FP64"
    if column.kind == "numeric":
        data = [_number(value, kind) for value in column.to_list()]
        return {"name": name, "shape": [len(column), 1], "datatype": kind, "data": data}
    return {"name": name, "shape": list(column.values.shape), "datatype": kind, "data": column.to_list()}


def _number(value: Any, datatype: str) -> Any:
    return int(value) if value is not None and datatype.startswith(_INTEGERS) else value
