"""What is monitored is what the client sent, whatever the endpoint does to its arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from tests.bentoml.configuration import write_config
from tests.bentoml.models import Matrix, Person

import bentoml
from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call, decode
from vedette.testing.platforms.model import CLASSES, FEATURES
from vedette_bentoml import watch
from vedette_bentoml.keeping import kept
from vedette_specs.schema import Schema

ROWS = [[0.5, 1.0, -1.0], [-2.0, 0.0, 0.5]]
RECORDS = [dict(zip(FEATURES, row, strict=True)) for row in ROWS]
SCHEMA = Schema(
    task="binary", classes=CLASSES, positive=CLASSES[1], features=dict.fromkeys(FEATURES, "numeric"), label="label"
)
REQUESTS: dict[str, Any] = {
    "array": {"rows": ROWS},
    "frame": {"rows": RECORDS},
    "records": {"instances": RECORDS},
    "persons": {"persons": RECORDS},
    "nested": {"payload": {"rows": ROWS}},
    "batched": {"instances": RECORDS},
    "stream": {"rows": ROWS},
    "astream": {"rows": ROWS},
}
INSIDE = {"nested": CaptureSpec(inputs="kwargs.payload.rows")}


def changing() -> Any:
    @bentoml.service(metrics={"enabled": False})
    class Changing:
        """Every endpoint spoils what it was given before it answers."""

        @bentoml.api
        def array(self, rows: Matrix) -> list[str]:
            rows[:] = 99.0
            return ["yes"] * len(rows)

        @bentoml.api
        async def frame(self, rows: pd.DataFrame) -> list[str]:
            rows["a"] = 99.0
            rows.loc[0, "b"] = 99.0
            return ["yes"] * len(rows)

        @bentoml.api
        def records(self, instances: list[dict[str, float]]) -> list[str]:
            instances[0]["a"] = 99.0
            instances[1].pop("b")
            return ["yes"] * len(instances)

        @bentoml.api
        def persons(self, persons: list[Person]) -> list[str]:
            for person in persons:
                person.a = 99.0
            return ["yes"] * len(persons)

        @bentoml.api
        def nested(self, payload: dict[str, Any]) -> list[str]:
            payload["rows"].clear()
            return ["yes", "yes"]

        @bentoml.api(batchable=True)
        def batched(self, instances: list[dict[str, float]]) -> list[str]:
            for instance in instances:
                instance.clear()
            return ["yes"] * len(instances)

        @bentoml.api
        def stream(self, rows: Matrix) -> Iterator[str]:
            rows[:] = 99.0
            yield '["yes", '
            yield '"yes"]'

        @bentoml.api
        async def astream(self, rows: Matrix) -> AsyncIterator[str]:
            rows[:] = 99.0
            yield '["yes", "yes"]'

    return Changing


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return watch(changing(), write_config(tmp_path_factory.mktemp("changing")), endpoint=list(REQUESTS))


@pytest.fixture(scope="module")
def calls(service: Any) -> list[Call]:
    """What the endpoints show."""
    found: list[Call] = []
    service.inner._vedette_tapping.offer = found.append
    return found


@pytest.fixture(scope="module")
def client(service: Any, calls: list[Call]) -> Iterator[TestClient]:
    with TestClient(service.to_asgi(), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("name", REQUESTS)
def test_an_endpoint_that_changes_its_argument_has_what_was_sent_monitored(
    name: str, calls: list[Call], client: TestClient
) -> None:
    calls.clear()
    answer = client.post(f"/{name}", json=REQUESTS[name])
    assert answer.json() == ["yes", "yes"], answer.text
    (call,) = calls
    assert decode(call, SCHEMA, INSIDE.get(name, CaptureSpec())).matrix().tolist() == ROWS


def test_more_than_the_tap_may_hold_is_not_copied() -> None:
    rows = np.zeros((1000, 3))
    assert kept((rows,), {}, rows.nbytes - 1)[0][0] is rows
    assert kept((rows,), {}, rows.nbytes + 1000)[0][0] is not rows
    few_then_many = [[], [0.0] * 100_000]  # the first item says nothing of the others
    assert kept((few_then_many,), {}, 1 << 20)[0][0] is few_then_many


def test_what_is_strange_is_the_same_object() -> None:
    class Own(dict[str, float]):
        def __iter__(self) -> Iterator[str]:
            raise RuntimeError("not to be looked into")

    strange = Own(a=1.0)
    args, kwargs = kept((strange,), {"file": Path("x.png")}, 1 << 20)
    assert args[0] is strange
    assert kwargs == {"file": Path("x.png")}


def test_a_copy_that_fails_costs_the_model_nothing(service: Any) -> None:
    around: list[Any] = []
    around.append(around)  # without end
    args, _ = service.inner._vedette_tapping.kept((around,), {})
    assert args[0] is around
