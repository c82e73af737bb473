"""What is monitored is what the client sent, whatever the endpoint does to its arguments."""

from __future__ import annotations

import threading
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
from vedette_bentoml.keeping import Held, TooLarge, kept
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


def copied(value: Any, most: int = 1 << 20) -> Any:
    return kept((value,), {}, Held(most)).args[0]


def test_more_than_the_tap_may_hold_is_not_copied() -> None:
    rows = np.zeros((1000, 3))
    with pytest.raises(TooLarge, match=f"more than {rows.nbytes - 1} bytes"):
        copied(rows, rows.nbytes - 1)
    assert copied(rows, rows.nbytes + 1000) is not rows
    few_then_many = [[], [0.0] * 100_000]  # the first item says nothing of the others
    with pytest.raises(TooLarge):
        copied(few_then_many)


def test_calls_under_way_hold_no_more_than_the_tap_together() -> None:
    rows = np.zeros((1000, 3))
    held = Held(2 * rows.nbytes + 1000)
    under_way = [kept((rows,), {}, held), kept((), {"rows": rows}, held)]
    with pytest.raises(TooLarge):
        kept((rows,), {}, held)
    with pytest.raises(TooLarge):
        kept(([rows, rows, rows],), {}, Held(2 * rows.nbytes))
    assert kept((rows[:2],), {}, held).args[0] is not rows, "a small one takes less than its request"
    under_way.pop()
    under_way.append(kept((rows,), {}, held))
    with pytest.raises(TooLarge):
        kept((rows,), {}, held)


def test_a_copy_that_is_given_up_takes_nothing() -> None:
    rows = np.zeros((1000, 3))
    held = Held(2 * rows.nbytes)
    for _ in range(5):
        with pytest.raises(TooLarge):
            kept(([rows, rows, rows],), {}, held)
    assert kept((rows,), {}, held).args[0] is not rows


def test_what_is_taken_at_once_is_given_back() -> None:
    """By many threads, each of which drops its calls in its own time."""
    rows = np.zeros((1000, 3))
    held = Held(100 * rows.nbytes)

    def call() -> None:
        for _ in range(300):
            kept((rows,), {}, held)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.take(held.most)


def test_a_call_that_does_not_fit_is_shown_as_it_is_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However the others end: answered, failed or left."""
    config = write_config(tmp_path, "tap: {buffer: 64 KiB}\n")
    tapping = watch(changing(), config, endpoint="array").inner._vedette_tapping
    rows = np.zeros((1000, 3))

    def failing() -> None:
        call = tapping.kept((), {"rows": rows})
        assert call.kwargs["rows"] is not rows
        raise RuntimeError("the model fails")

    first = [tapping.kept((rows,), {}) for _ in range(2)]
    assert [call.args[0] is rows for call in first] == [False, False]
    assert tapping.kept((rows,), {}).args[0] is rows
    assert "a call is monitored as its endpoint leaves it" in caplog.text
    assert "more than 65536 bytes" in caplog.text
    first.clear()
    for _ in range(5):
        with pytest.raises(RuntimeError, match="the model fails"):
            failing()
    for _ in range(10):
        tapping.kept((rows,), {})
    assert len(caplog.records) == 1
    under_way = [tapping.kept((rows,), {}) for _ in range(2)]
    tapping._after_fork()  # the parent's calls are not the child's
    assert tapping.kept((rows,), {}).args[0] is not rows
    del under_way


def test_what_can_be_changed_inside_of_objects_is_copied_too() -> None:
    cells = np.empty((2, 2), dtype=object)
    cells[:] = [["text", [1.0]], [{"a": 1.0}, 2.0]]
    cells[1, 1] = np.zeros(2)
    copy = copied(np.asfortranarray(cells))
    assert copy[0].tolist() == ["text", [1.0]]
    cells[0, 1].append(99.0)
    cells[1, 0]["a"] = 99.0
    cells[1, 1][:] = 99.0
    assert (copy[0, 1], copy[1, 0], copy[1, 1].tolist()) == ([1.0], {"a": 1.0}, [0.0, 0.0])
    assert copied(np.array("text", dtype=object)).item() == "text"


def test_objects_count_with_what_they_hold() -> None:
    cells = np.empty(2, dtype=object)
    cells[:] = [np.zeros(1000), np.zeros(1000)]
    with pytest.raises(TooLarge):
        copied(cells, 10_000)


def test_columns_of_objects_are_copied_with_what_they_hold() -> None:
    moment = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame({"n": [1.0, 2.0], "s": ["a", "b"]}, index=[7, 7])
    frame["cells"] = pd.Series([[1.0], moment], index=[7, 8], dtype=object).to_numpy()
    frame["moments"] = pd.Series([moment, moment], dtype=object).to_numpy()
    before = frame.dtypes.to_dict()
    copy, series = copied(frame), copied(frame["cells"])
    frame["cells"].iloc[0].append(99.0)
    frame.loc[7, "n"] = 99.0
    assert copy["cells"].tolist() == series.tolist() == [[1.0], moment]
    assert copy["n"].tolist() == [1.0, 2.0]
    assert copy.dtypes.to_dict() == before
    assert copy.index.tolist() == series.index.tolist() == [7, 7]


def test_what_is_strange_is_the_same_object() -> None:
    class Own(dict[str, float]):
        def __iter__(self) -> Iterator[str]:
            raise RuntimeError("not to be looked into")

    strange = Own(a=1.0)
    call = kept((strange,), {"file": Path("x.png")}, Held(1 << 20))
    assert call.args[0] is strange
    assert call.kwargs == {"file": Path("x.png")}


def test_a_copy_that_fails_costs_the_model_nothing(service: Any) -> None:
    around: list[Any] = []
    around.append(around)  # without end
    assert service.inner._vedette_tapping.kept((around,), {}).args[0] is around
