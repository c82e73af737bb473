"""Instrumented applications answer as before, and what they answered arrives at the tap."""

from __future__ import annotations

import asyncio
import inspect
import json
import uuid
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import pytest
from ray import serve
from ray.serve.generated.serve_pb2 import UserDefinedMessage, UserDefinedResponse
from starlette.requests import Request
from starlette.responses import StreamingResponse
from tests.rayserve import models
from tests.rayserve.recording import KEPT, rows_of, wait_for

from vedette.config.plan import CaptureSpec
from vedette_rayserve import graph
from vedette_rayserve.asgi import post_scope, received
from vedette_rayserve.instrument import CannotInstrument, instrument, subclass
from vedette_rayserve.tapping import UNTAPPED, Instrumentation, tapping_of
from vedette_specs.batch import Batch

ROWS = [[1.0, 1.0], [1.0, 3.0], [3.0, 1.0]]
SCORES = [0.5, 0.25, 0.75]


def recording(**capture: Any) -> Instrumentation:
    return Instrumentation(uuid.uuid4().hex, CaptureSpec(**capture), transport="tests.rayserve.recording:Recorder")


def post(body: Any, path: str = "/", headers: dict[str, str] | None = None) -> Request:
    raw = json.dumps(body).encode()
    scope = post_scope(path, len(raw))
    scope["headers"] += [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
    return Request(scope, received(raw))


def made(deployment: Any, spec: Instrumentation, *args: Any) -> Any:
    """The instrumented deployment's object, its class having travelled as Serve sends it."""
    cls = cloudpickle.loads(cloudpickle.dumps(subclass(deployment.func_or_class, deployment.name, spec)))
    return cls(*args)


def tapped_rows(instance: Any, spec: Instrumentation) -> Batch:
    assert tapping_of(instance).tap.flush(5.0)
    batch = rows_of(KEPT[spec.monitors])
    assert batch is not None
    return batch


def test_http_class_answers_as_before_and_its_rows_arrive() -> None:
    spec = recording()
    model = made(models.Plain, spec, 0.5)
    request = post({"instances": ROWS}, headers={"x-request-id": "r-1"})
    assert asyncio.run(model(request)) == {"probabilities": [0.25, 0.125, 0.375]}
    batch = tapped_rows(model, spec)
    assert batch.inputs["a"].values.tolist() == [1.0, 1.0, 3.0]
    assert batch.probabilities is not None
    assert batch.probabilities[:, 1].tolist() == [0.25, 0.125, 0.375]
    assert batch.ids is not None
    assert batch.rows is not None
    assert batch.ids.tolist() == ["r-1"] * 3
    assert batch.rows.tolist() == [0, 1, 2]


def test_class_keeps_its_name_signature_and_serves_hooks() -> None:
    cls = subclass(models.Plain.func_or_class, "Plain", recording())
    base = models.Plain.func_or_class
    assert (cls.__name__, cls.__module__, cls.__qualname__) == (base.__name__, base.__module__, base.__qualname__)
    assert issubclass(cls, base)
    assert inspect.signature(cls.__call__) == inspect.signature(base.__call__)
    assert inspect.iscoroutinefunction(cls.__call__)
    assert hasattr(cls, "check_health")


@pytest.mark.parametrize(("kind", "status"), [("answer", 200), ("refuse", 422)])
def test_response_objects_pass_and_errors_make_no_rows(kind: str, status: int) -> None:
    spec = recording()
    model = made(models.Answers, spec)
    response = asyncio.run(model(post({"instances": ROWS, "kind": kind})))
    assert response.status_code == status
    tapping_of(model).tap.flush(5.0)
    batch = rows_of(KEPT[spec.monitors])
    assert (0 if batch is None else len(batch)) == (3 if status == 200 else 0)


def test_models_own_error_is_raised_unchanged() -> None:
    model = made(models.Answers, recording())
    with pytest.raises(ValueError, match="broken model"):
        asyncio.run(model(post({"kind": "raise"})))


def test_streaming_response_is_passed_on_chunk_by_chunk() -> None:
    spec = recording()
    model = made(models.Streaming, spec)

    async def chunks() -> list[Any]:
        response = await model(post({"instances": ROWS}))
        assert isinstance(response, StreamingResponse)
        return [chunk async for chunk in response.body_iterator]

    assert asyncio.run(chunks()) == ['{"probabilities": ', f"{SCORES}}}"]
    batch = tapped_rows(model, spec)
    assert batch.probabilities is not None
    assert batch.probabilities[:, 1].tolist() == SCORES


def test_generators_stay_generators() -> None:
    spec = recording(method="numbers")
    model = made(models.Streaming, spec)
    stream = model.numbers(ROWS)
    assert inspect.isgenerator(stream)
    assert next(stream) == SCORES[0]
    assert list(stream) == SCORES[1:]
    assert tapped_rows(model, spec).inputs["b"].values.tolist() == [1.0, 3.0, 1.0]


def test_async_generators_stay_and_feel_a_cancelled_request() -> None:
    spec = recording(method="later")
    felt: list[str] = []

    class Model:
        async def later(self, rows: Any) -> Any:
            try:
                for value in models.score(rows):
                    yield value
            except asyncio.CancelledError:
                felt.append("cancelled")
                raise

    model = subclass(Model, "Model", spec)()

    async def run() -> list[float]:
        whole = [value async for value in model.later(ROWS)]
        broken = model.later(ROWS)
        await anext(broken)
        with pytest.raises(asyncio.CancelledError):
            await broken.athrow(asyncio.CancelledError())
        return whole

    assert inspect.isasyncgenfunction(type(model).later)
    assert asyncio.run(run()) == SCORES
    assert felt == ["cancelled"]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("rows", [ROWS, np.array(ROWS)], ids=["list", "array"])
def test_methods_called_by_handle(rows: Any) -> None:
    spec = recording(method="predict")
    handle = serve.run(instrument(models.ByHandle.bind(), spec), name=spec.monitors, _local_testing_mode=True)
    assert handle.predict.remote(rows).result().tolist() == SCORES
    assert handle.other.remote().result() == "untouched"
    batch = wait_for(lambda: rows_of(KEPT[spec.monitors]))
    assert batch.probabilities[:, 1].tolist() == SCORES


def test_async_method_with_keyword_arguments() -> None:
    spec = recording(method="predict_async", inputs="kwargs.rows")
    model = made(models.ByHandle, spec)
    assert asyncio.run(model.predict_async(rows=ROWS, factor=0.5)) == [0.25, 0.125, 0.375]


def test_function_over_http() -> None:
    spec = recording()
    model = made(models.function, spec)
    assert asyncio.run(model(post({"instances": ROWS}))) == {"probabilities": SCORES}
    assert len(tapped_rows(model, spec)) == 3


@pytest.mark.usefixtures("in_process")
def test_function_by_handle_in_serve() -> None:
    spec = recording()
    handle = serve.run(instrument(models.plain_function.bind(), spec), name=spec.monitors, _local_testing_mode=True)
    assert handle.remote(ROWS).result() == SCORES
    assert wait_for(lambda: rows_of(KEPT[spec.monitors])).probabilities[:, 1].tolist() == SCORES


def test_model_that_warms_up_and_reads_the_query() -> None:
    spec = recording()
    model = made(models.Warm, spec)
    assert model.warm == {"probabilities": [0.5]}
    request = Request({**post_scope("/", 0), "query_string": b"a=1&b=3"}, received(b""))
    assert model(request) == {"probabilities": [0.25]}
    assert tapped_rows(model, spec).inputs["b"].values.tolist() == [3.0]  # and not the warm-up


@pytest.mark.usefixtures("in_process")
def test_inner_node_of_a_composition() -> None:
    spec = recording(deployment="First", method="predict")
    first = models.ByHandle.options(name="First").bind()
    app = models.Front.bind(first, {"second": models.ByHandle.options(name="Second").bind()})
    changed = instrument(app, spec)
    assert changed is not app
    classes = {graph.deployment_of(n).name: graph.deployment_of(n).func_or_class for n in graph.nodes(changed)}
    assert classes["First"] is not models.ByHandle.func_or_class
    assert classes["Second"] is models.ByHandle.func_or_class
    assert classes["Front"] is models.Front.func_or_class
    untouched = {graph.deployment_of(n).name: graph.deployment_of(n).func_or_class for n in graph.nodes(app)}
    assert untouched["First"] is models.ByHandle.func_or_class
    serve.run(changed, name=spec.monitors, _local_testing_mode=True)


def test_shared_node_stays_shared() -> None:
    shared = models.ByHandle.options(name="Shared").bind()
    app = models.Front.bind(shared, {"second": shared})
    changed = instrument(app, recording(deployment="Shared", method="predict"))
    assert [graph.deployment_of(n).name for n in graph.nodes(changed)] == ["Front", "Shared"]


def test_options_and_arguments_are_kept() -> None:
    app = models.Plain.options(name="Income", num_replicas=3, max_ongoing_requests=7, user_config=None).bind(0.5)
    deployment = graph.deployment_of(instrument(app, recording()))
    assert (deployment.name, deployment.num_replicas, deployment.max_ongoing_requests) == ("Income", 3, 7)
    assert deployment.init_args == (0.5,)


class Grpc:
    """A gRPC ingress: Serve calls its methods with protobuf messages."""

    def predict(self, request: UserDefinedMessage, grpc_context: Any = None) -> UserDefinedResponse:
        return UserDefinedResponse(greeting=f"Hello {request.name}")

    def untold(self, request, grpc_context):  # type: ignore[no-untyped-def]
        return self.predict(request, grpc_context)

    def unknown(self, request: Nowhere) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return self.predict(request)


def test_grpc_that_does_not_say_so_is_answered_and_counted_as_unreadable() -> None:
    spec = recording(method="untold")
    model = made(serve.deployment(Grpc), spec)
    assert "grpc_context" in inspect.signature(type(model).untold).parameters  # Serve looks for it
    answer = model.untold(UserDefinedMessage(name="a", foo="b"), None)
    assert answer == UserDefinedResponse(greeting="Hello a")
    tapping_of(model).tap.flush(5.0)
    assert tapping_of(model).tap.counters()["undecodable"] == 1
    assert rows_of(KEPT[spec.monitors]) is None


def test_annotation_that_cannot_be_resolved_is_no_obstacle() -> None:
    model = made(serve.deployment(Grpc), recording(method="unknown"))
    assert model.unknown(UserDefinedMessage(name="a")).greeting == "Hello a"


class NotMethods:
    @staticmethod
    def static(rows: Any) -> Any:
        return rows

    def __call__(self, request: Request) -> str:
        return "ok"


@pytest.mark.parametrize(
    ("app", "capture", "message"),
    [
        (lambda: models.ByHandle.bind(), {}, "no method '__call__' .* it has other, predict, predict_async"),
        (lambda: models.Plain.bind(), {"method": "predict"}, "no method 'predict' .*__call__"),
        (lambda: models.Multiplexed.bind(), {"method": "load"}, "loads models"),
        (lambda: serve.deployment(NotMethods).bind(), {"method": "static"}, "staticmethod"),
        (lambda: instrument(models.Plain.bind(), recording()), {}, "instrumented already"),
        (
            lambda: serve.deployment(Grpc).bind(),
            {"method": "predict"},
            r"Grpc\.predict .* protobuf .* capture\.deployment",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(app: Callable[[], Any], capture: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotInstrument, match=message):
        instrument(app(), recording(**capture))


def test_unknown_and_ambiguous_deployments() -> None:
    app = models.Front.bind(models.ByHandle.bind(), {"second": models.ByHandle.bind()})
    with pytest.raises(graph.UnknownDeployment, match="is named 'Modle'; the application has ByHandle, Front"):
        instrument(app, recording(deployment="Modle"))
    with pytest.raises(graph.UnknownDeployment, match="2 deployments are named 'ByHandle'"):
        instrument(app, recording(deployment="ByHandle"))


def test_broken_tap_costs_the_model_nothing(caplog: pytest.LogCaptureFixture) -> None:
    spec = Instrumentation("m", transport="tests.rayserve.recording:Broken")
    model = made(models.Plain, spec)
    for _ in range(3):
        assert asyncio.run(model(post({"instances": ROWS}))) == {"probabilities": SCORES}
    assert [r.message for r in caplog.records if "not all monitored" in r.message] == [
        "predictions of this process are not all monitored: RuntimeError: no transport today"
    ]


def test_body_that_the_model_read_as_a_stream_is_counted_not_guessed() -> None:
    class Streamed:
        async def __call__(self, request: Request) -> Any:
            body = b"".join([chunk async for chunk in request.stream()])
            return {"probabilities": models.score(json.loads(body)["instances"])}

    spec = recording()
    model = subclass(Streamed, "Streamed", spec)()
    assert asyncio.run(model(post({"instances": ROWS}))) == {"probabilities": SCORES}
    tapping_of(model).tap.flush(5.0)
    assert tapping_of(model).tap.counters()["undecodable"] == 1


def test_requests_that_ask_not_to_be_logged_are_not() -> None:
    spec = recording()
    model = made(models.Plain, spec)
    asyncio.run(model(post({"instances": ROWS}, headers={"seldon-skip-logging": "true"})))
    asyncio.run(model(post({"instances": ROWS[:1]})))
    assert len(tapped_rows(model, spec)) == 1


def test_graceful_stop_ships_what_is_held_and_calls_the_users_own() -> None:
    ended: list[str] = []

    class Model:
        def __call__(self, rows: Any) -> Any:
            return models.score(rows)

        def __del__(self) -> None:
            ended.append("user")

    spec = recording()
    model = subclass(Model, "Model", spec)()
    model(ROWS)
    model.__del__()
    assert ended == ["user"]
    assert tapping_of(model) is UNTAPPED
    assert len(rows_of(KEPT[spec.monitors]) or ()) == 3


def test_private_names_of_this_ray_version() -> None:
    """Fails, naming the version, when Ray changes what instrument.py stands on."""
    import ray

    app = models.Plain.bind(0.5)
    assert graph.deployment_of(app).init_args == (0.5,), f"ray {ray.__version__}"
    assert graph.request_id() == "", f"ray {ray.__version__}"
    request = post({"a": 1})
    asyncio.run(request.body())
    assert request._body == b'{"a": 1}', "starlette keeps a body that was read under another name"
    with pytest.raises(graph.UnsupportedRay, match=ray.__version__):
        graph.deployment_of(object())  # type: ignore[arg-type]
