"""The model as explainers ask it: its own endpoint over HTTP, with a header that keeps these calls from the tap.

The endpoint's function could be called without HTTP only inside the model's process, and there only past BentoML's
limit of threads, which many models need. Over HTTP an explanation waits its turn like any other client.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from vedette.config.plan import CaptureSpec, Plan
from vedette.engine.capture import Call, Undecodable, decode
from vedette.engine.explain.gateway import Answer, GatewayError
from vedette.engine.explain.shape import calls_like
from vedette_bentoml import graph
from vedette_specs.batch import Batch

TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
HEADERS = {"Seldon-Skip-Logging": "true"}
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ROOTS = ("args", "kwargs")


class Endpoint:
    """A `Model` for the gateway. How rows are written into a request is read from the endpoint's schema, and kept."""

    def __init__(self, service: Any, name: str, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self._api = graph.endpoint(service, name)
        self._path = graph.path_of(service, self._api.route)
        where = graph.address(service)
        self._base = None if where is None else where[0]
        self._socket = None if where is None else where[1]
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._example: tuple[Call, str] | None = None

    @property
    def reachable(self) -> bool:
        """Whether the service is served: in a test without a server nobody can be asked."""
        return self._base is not None

    def ask(self, rows: Batch) -> Answer:
        """Raises GatewayError with what the model said."""
        example, inputs = self._example or self._found(rows)
        calls = calls_like(example, rows, inputs)
        parts = [rows] if len(calls) == 1 else [rows.take(slice(i, i + 1)) for i in range(len(rows))]
        answers = [self._answered(call.request, part) for call, part in zip(calls, parts, strict=True)]
        predictions = [value for answer in answers for value in answer.prediction]
        chances = [answer.probabilities for answer in answers if answer.probabilities is not None]
        return Answer(predictions, np.concatenate(chances) if len(chances) == len(answers) else None)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _found(self, rows: Batch) -> tuple[Call, str]:
        """A form of request that the endpoint answers, found by trying the likeliest first; remembered."""
        one = rows.take(slice(0, 1))
        reasons = []
        for body, inputs in bodies(self._api, one, self.plan.capture.inputs):
            try:
                self._answered(body, one)
            except GatewayError as error:
                reasons.append(str(error))
                continue
            self._example = (Call(request=body), inputs)
            return self._example
        raise GatewayError(
            f"endpoint {self.name!r} takes rows in no form that is known; the first answer: {reasons[0]}"
        )

    def _answered(self, body: Any, rows: Batch) -> Answer:
        """What the endpoint says of the rows that are in the body."""
        capture = self.plan.capture
        asked = CaptureSpec(prediction=capture.prediction, probabilities=capture.probabilities)
        try:
            found = decode(Call(args=(rows.to_records(),), response=self._post(body)), rows.schema, asked)
        except Undecodable as error:
            raise GatewayError(f"endpoint {self.name!r}: {error}") from error
        if found.prediction is None:
            raise GatewayError(f"endpoint {self.name!r}: the answer holds no prediction in a known form")
        return Answer(found.prediction.to_list(), found.probabilities)

    def _post(self, body: Any) -> Any:
        headers = {"X-Request-Id": f"explain-{uuid.uuid4().hex}"}
        try:
            reply = self._opened().post(self._path, json=body, headers=headers)
        except (httpx.HTTPError, ValueError) as error:  # ValueError: NaN is no JSON
            raise GatewayError(f"endpoint {self.name!r}: {type(error).__name__}: {error}") from error
        if reply.status_code != 200:
            raise GatewayError(f"endpoint {self.name!r} answered {reply.status_code}: {reply.text[:200]}")
        try:
            return reply.json()
        except ValueError:
            return reply.content

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                base = str(self._base)
                transport = None if self._socket is None else httpx.HTTPTransport(uds=self._socket)
                self._client = httpx.Client(
                    base_url=base,
                    transport=transport,
                    timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
                    headers=HEADERS,
                    trust_env=False,
                    verify=urlsplit(base).hostname not in _LOCAL,  # this machine's certificate is for other names
                )
            return self._client


def bodies(api: graph.APIMethod[..., Any], one: Batch, inputs: str = "auto") -> Iterator[tuple[Any, str]]:
    """Requests of one row that the endpoint may understand, the likeliest first, each with the rows' capture path."""
    arguments = graph.parameters(api)
    keys = _inside(inputs)
    if arguments is None:
        for value in forms(graph.root_schema(api), one):
            yield _nested(keys, value), ".".join(["body", *keys])
        return
    if arguments.keys() & one.inputs.keys():  # an argument a feature
        yield {name: value for name, value in one.to_records()[0].items() if name in arguments}, "body"
        return
    root, _, rest = inputs.partition(".")
    name = rest.split(".")[0] if root == "kwargs" else next(iter(arguments), "")
    for value in forms(arguments.get(name, {}), one):
        yield {name: _nested(keys, value)}, ".".join(["body", name, *keys])


def _inside(inputs: str) -> list[str]:
    """Where in an argument the rows are: `rows` of kwargs.payload.rows."""
    root, _, rest = inputs.partition(".")
    return rest.split(".")[1:] if root in _ROOTS else []


def forms(schema: Mapping[str, Any], one: Batch) -> list[Any]:
    """Ways to write rows, those that fit the argument's JSON schema first."""
    records = one.to_records()
    matrix = [list(record.values()) for record in records]
    columns = {name: column.to_list() for name, column in one.inputs.items()}
    kind, items = schema.get("type"), schema.get("items", {})
    if kind == "dataframe":
        first = [columns, records] if schema.get("orient") == "columns" else [records, columns]
    elif kind == "object" or "$ref" in schema:
        first = [records[0], columns]
    elif kind == "array" and (items.get("type") == "object" or "$ref" in items):
        first = [records]
    else:
        first = [matrix]
    return [*first, *(form for form in (matrix, records, columns, records[0]) if form not in first)]


def _nested(keys: list[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value
