"""Gateways: the same model by every way it can be reached gives the same outputs, and failures are told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from tests.http.sites import MODEL, Site, frame_of, label_list, serving

from vedette.engine.explain.gateway import BadModelUri, GatewayError, make_gateway
from vedette.testing.data import MadeUpModel
from vedette_specs import Batch, Schema, numeric

SCHEMA = MODEL.schema
ROWS = MODEL.rows(50, 3)
EXPECTED = MODEL.predict(ROWS)
NUMBERS = Schema({"a": "numeric", "b": "numeric"}, "binary", ("no", "yes"), "yes")
PAIR = Batch({"a": numeric([0.0, 1.0, 2.0]), "b": numeric([1.0, 0.0, np.nan])}, NUMBERS)


@pytest.fixture(scope="module")
def fitted() -> Any:
    train = MODEL.rows(400, 1)
    columns = make_column_transformer(
        (StandardScaler(), ["age", "hours", "balance"]), (OneHotEncoder(handle_unknown="ignore"), ["sector"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame_of(train), label_list(train))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes a module `mymodel` that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> None:
        sys.modules.pop("mymodel", None)
        (tmp_path / "mymodel.py").write_text(text)

    yield write
    sys.modules.pop("mymodel", None)


# files and imports


def test_a_skops_file(fitted: Any, tmp_path: Path) -> None:
    skops.io.dump(fitted, tmp_path / "model.skops")
    gateway = make_gateway("model.skops", SCHEMA, base=tmp_path)
    assert gateway(ROWS) == pytest.approx(fitted.predict_proba(frame_of(ROWS)))
    assert gateway.answer(ROWS).prediction == list(fitted.predict(frame_of(ROWS)))


def test_classes_come_in_the_schema_s_order(fitted: Any, tmp_path: Path) -> None:
    skops.io.dump(fitted, tmp_path / "model.skops")
    turned = Schema(SCHEMA.features, "binary", (">50K", "<=50K"), ">50K")
    gateway = make_gateway(str(tmp_path / "model.skops"), turned)
    assert gateway(ROWS)[:, ::-1] == pytest.approx(fitted.predict_proba(frame_of(ROWS)))


def test_a_skops_file_that_could_run_code_is_refused(tmp_path: Path) -> None:
    skops.io.dump(FunctionTransformer(func=test_classes_come_in_the_schema_s_order), tmp_path / "evil.skops")
    with pytest.raises(BadModelUri, match="not trusted"):
        make_gateway("evil.skops", SCHEMA, base=tmp_path)


def test_a_regression(tmp_path: Path) -> None:
    model = MadeUpModel("regression")
    rows = model.rows(100)
    assert rows.labels is not None
    numbers = frame_of(rows).drop(columns="sector")
    schema = Schema({"age": "numeric", "hours": "numeric", "balance": "numeric"}, "regression")
    estimator = LinearRegression().fit(numbers.to_numpy(), rows.labels.values)  # an array: no feature names
    skops.io.dump(estimator, tmp_path / "m.skops")
    gateway = make_gateway("m.skops", schema, base=tmp_path)
    found = gateway(rows.select(["age", "hours", "balance"]))
    assert found.shape == (100, 1)
    assert found[:, 0] == pytest.approx(estimator.predict(numbers.to_numpy()))


@pytest.mark.parametrize(
    "text",
    [
        "def predict(frame):\n    yes = frame['a'] / 2\n    return list(yes)",
        "def predict(frame):\n    return [[1 - a / 2, a / 2] for a in frame['a']]",
        "def predict(frame):\n    return {'probabilities': frame['a'].to_numpy() / 2}",
        "import numpy as np\ndef predict(x: np.ndarray):\n    return np.column_stack([1 - x[:, 0] / 2, x[:, 0] / 2])",
        "class M:\n    def predict_proba(self, frame):\n"
        "        import numpy as np\n        return np.array([[1 - a / 2, a / 2] for a in frame.a])\npredict = M()",
        "class M:\n    classes_ = ['yes', 'no']\n    def predict_proba(self, frame):\n"
        "        return [[a / 2, 1 - a / 2] for a in frame.a]\npredict = M()",
    ],
)
def test_functions_and_objects(module: Any, text: str) -> None:
    module(text)
    gateway = make_gateway("mymodel:predict", NUMBERS)
    assert gateway(PAIR) == pytest.approx(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert gateway.answer(PAIR).prediction == ["no", "yes", "yes"]


def test_a_model_that_only_names_classes_is_certain_of_them(module: Any) -> None:
    module(
        "class M:\n    def predict(self, frame):\n        return ['yes' if a > 0 else 'no' for a in frame.a]\nm = M()"
    )
    gateway = make_gateway("mymodel:m.predict", NUMBERS)
    assert gateway(PAIR).tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    assert gateway.answer(PAIR).probabilities is None


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("nothing", "allowed"),
        ("ftp://host/model", "allowed"),
        ("http://host/somewhere", "/v2/models/<name>"),
        ("no_such_module:predict", "no module 'no_such_module'"),
        ("json:nothing", "'json' has no 'nothing'"),
        ("math:pi", "cannot be called"),
        ("gone.skops", "cannot be read"),
        ("os:system; rm", "allowed"),
    ],
)
def test_uris_that_name_nothing(uri: str, says: str) -> None:
    with pytest.raises(BadModelUri, match=r"model\.uri") as caught:
        make_gateway(uri, SCHEMA)
    assert says in str(caught.value)


def test_a_registry_needs_a_plugin_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def load_model(self, uri: str) -> None:
            return None

    monkeypatch.setattr("vedette.plugins.get_registry", Nobody)
    with pytest.raises(BadModelUri, match=r"model\.uri.*needs the extra `mlflow`"):
        make_gateway("models:/income@champion", SCHEMA)


def test_a_file_that_is_no_skops(tmp_path: Path) -> None:
    (tmp_path / "m.skops").write_bytes(b"\x80\x04junk")
    with pytest.raises(BadModelUri, match="no skops file"):
        make_gateway("m.skops", SCHEMA, base=tmp_path)


def test_classes_that_are_not_the_schema_s(fitted: Any, tmp_path: Path) -> None:
    skops.io.dump(fitted, tmp_path / "model.skops")
    other = Schema(SCHEMA.features, "binary", ("a", "b"), "b")
    with pytest.raises(BadModelUri, match=r"its classes are .*<=50K"):
        make_gateway("model.skops", other, base=tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def predict(frame):\n    raise ValueError('too warm')", "raised ValueError: too warm"),
        ("def predict(frame):\n    return [0.5]", r"shape \(3, 2\): a row for each"),
        ("def predict(frame):\n    return [[0.1, 0.2, 0.7]] * 3", r"shape \(3, 2\)"),
        ("def predict(frame):\n    return ['maybe'] * 3", "none of the classes"),
        ("def predict(frame):\n    return None", "no prediction"),
    ],
)
def test_models_that_fail_or_answer_nonsense(module: Any, text: str, says: str) -> None:
    module(text)
    with pytest.raises(GatewayError, match=says):
        make_gateway("mymodel:predict", NUMBERS)(PAIR)


def test_a_module_that_cannot_be_imported(module: Any) -> None:
    module("raise RuntimeError('no licence')")
    with pytest.raises(BadModelUri, match="RuntimeError: no licence"):
        make_gateway("mymodel:predict", NUMBERS)


# addresses


@pytest.mark.parametrize(
    "path", ["/v2/models/income", "/v2/models/income/infer", "/v1/models/income", "/v1/models/income:predict"]
)
def test_v2_and_v1_servers(served: Site, path: str) -> None:
    gateway = make_gateway(served.url + path, SCHEMA)
    assert gateway(ROWS) == pytest.approx(EXPECTED)
    gateway.close()


def test_its_calls_are_marked_and_not_monitored(served: Site) -> None:
    served.settle()
    before = served.client.get("/api/monitors").json()[1]["rows"]
    gateway = make_gateway(f"{served.url}/v2/models/income", SCHEMA)
    gateway(ROWS)
    gateway.close()
    served.settle()
    assert served.client.get("/api/monitors").json()[1]["rows"] == before


class Others:
    """A server as others are: keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.metadata: Any = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v2/models/m", self.about),
                Route("/v2/models/m/infer", self.infer, methods=["POST"]),
                Route("/invocations", self.invocations, methods=["POST"]),
                Route("/v1/models/bad:predict", lambda r: PlainTextResponse("boom", 500), methods=["POST"]),
                Route("/v1/models/html:predict", lambda r: PlainTextResponse("<html>"), methods=["POST"]),
                Route("/v1/models/m:predict", self.instances, methods=["POST"]),
            ]
        )

    async def keep(self, request: Request) -> Any:
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        return self.bodies[-1]

    async def about(self, request: Request) -> JSONResponse:
        return JSONResponse(self.metadata or {}, 200 if self.metadata else 404)

    async def infer(self, request: Request) -> JSONResponse:
        body = await self.keep(request)
        n = body["inputs"][0]["shape"][0]
        return JSONResponse({"outputs": [{"name": "p", "shape": [n, 2], "datatype": "FP32", "data": [0.25, 0.75] * n}]})

    async def invocations(self, request: Request) -> JSONResponse:
        body = await self.keep(request)
        return JSONResponse({"predictions": [[0.25, 0.75]] * len(body["dataframe_split"]["data"])})

    async def instances(self, request: Request) -> JSONResponse:
        body = await self.keep(request)
        return JSONResponse({"predictions": [[0.25, 0.75]] * len(body["instances"])})


@pytest.fixture(scope="module")
def others() -> Iterator[tuple[Others, str]]:
    server = Others()
    with serving(server.app()) as url:
        yield server, url


def ask(uri: str, rows: Batch) -> Any:
    gateway = make_gateway(uri, rows.schema)
    try:
        return gateway(rows)
    finally:
        gateway.close()


def test_what_the_protocols_carry(others: tuple[Others, str]) -> None:
    server, url = others
    for path in ("/v2/models/m", "/v1/models/m", "/invocations"):
        assert ask(url + path, PAIR).tolist() == [[0.25, 0.75]] * 3
    matrix, instances, split = server.bodies[-3:]
    (tensor,) = matrix["inputs"]
    assert tensor == {"name": "input-0", "shape": [3, 2], "datatype": "FP64", "data": [0.0, 1.0, 1.0, 0.0, 2.0, None]}
    assert instances == {"instances": [[0.0, 1.0], [1.0, 0.0], [2.0, None]]}
    assert split["dataframe_split"]["columns"] == ["a", "b"]
    for headers in server.headers[-3:]:
        assert headers["seldon-skip-logging"] == "true"
        assert headers["ce-id"].startswith("explain-")


def test_v2_follows_the_model_s_metadata(others: tuple[Others, str]) -> None:
    server, url = others
    server.metadata = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
    ask(f"{url}/v2/models/m", PAIR)
    assert [(t["name"], t["datatype"]) for t in server.bodies[-1]["inputs"]] == [("x", "FP32")]
    server.metadata = {"inputs": [{"name": n, "datatype": "INT64", "shape": [-1, 1]} for n in ("a", "b")]}
    ask(f"{url}/v2/models/m", PAIR.take([0, 1]))
    assert [t["data"] for t in server.bodies[-1]["inputs"]] == [[0, 1], [1, 0]]
    server.metadata = None


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/models/bad", "answered 500: boom"),
        ("/v1/models/html", "no JSON"),
        ("/v1/models/gone", "answered 404"),
    ],
)
def test_servers_that_fail(others: tuple[Others, str], path: str, says: str) -> None:
    with pytest.raises(GatewayError, match=says):
        ask(others[1] + path, PAIR)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(GatewayError, match="does not answer"):
        ask("http://127.0.0.1:9/v1/models/m", PAIR)


def test_a_server_that_is_too_slow(served: Site) -> None:
    served.model.slow = 1.0
    try:
        gateway = make_gateway(f"{served.url}/v1/models/income", SCHEMA, timeout=0.2)
        with pytest.raises(GatewayError, match="ReadTimeout"):
            gateway(ROWS)
        gateway.close()
    finally:
        served.model.slow = 0.0


def test_a_failing_model_is_a_bad_gateway(tmp_path: Path, module: Any) -> None:
    from tests.http.sites import make_embedded, write_config

    module("def predict(frame):\n    raise KeyError('weights')")
    embedded, _ = make_embedded(write_config(tmp_path))
    embedded.gateway = make_gateway("mymodel:predict", SCHEMA)
    embedded.start()
    try:
        with serving(embedded.app()) as url:
            body = {"instances": ROWS.take([0]).to_records()}
            for path in ("/v1/models/income:predict", "/explain"):
                reply = httpx.post(url + path, json=body, trust_env=False)
                assert (reply.status_code, reply.json()["field"]) == (502, "model")
                assert "weights" in reply.json()["error"]
    finally:
        embedded.close()
        embedded.store.close()


def test_a_frame_has_the_kinds_of_the_schema(module: Any) -> None:
    module("seen = []\ndef predict(frame):\n    seen.append(frame)\n    return [0.5] * len(frame)")
    make_gateway("mymodel:predict", SCHEMA)(ROWS)
    frame = sys.modules["mymodel"].seen[0]
    assert list(frame.columns) == list(SCHEMA.features)
    assert frame["age"].dtype == np.float64
    pd.testing.assert_frame_equal(frame, frame_of(ROWS))
