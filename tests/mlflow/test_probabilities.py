"""What Ray Serve's replicas answer: MLflow's predictions, and probabilities that never cost one."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from tests.mlflow.servers import records
from tests.mlflow.tracking import CHAMPION, Tracking, quiet

from vedette_mlflow import probabilities
from vedette_mlflow.inside import as_served

with quiet():
    from vedette_mlflow.rayserve_app import scoring_app

BODY = records(3)


@pytest.fixture
def model(tracking: Tracking) -> Any:
    with quiet():
        return as_served(CHAMPION)


def ask(model: Any, with_probabilities: bool = True, classes: Sequence[str] = ()) -> dict[str, Any]:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(scoring_app(model, with_probabilities, classes))
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return await client.post("/invocations", json=BODY)

    with quiet():
        reply = asyncio.run(asked())
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = json.loads(reply.text, parse_constant=pytest.fail)  # NaN is no JSON
    return found


def test_probabilities_stand_beside_predictions(model: Any) -> None:
    found = ask(model)
    shares = np.array(found["probabilities"])
    assert shares.shape == (3, 2)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert ask(model, with_probabilities=False) == {"predictions": found["predictions"]}


def test_probabilities_are_in_the_order_of_the_schema_s_classes(model: Any) -> None:
    own = ask(model)["probabilities"]
    names = [str(name) for name in model.get_raw_model().classes_]
    assert ask(model, classes=names)["probabilities"] == own
    assert ask(model, classes=names[::-1])["probabilities"] == [row[::-1] for row in own]


def test_a_model_of_other_classes_answers_no_probabilities(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "vedette.mlflow"):
        assert list(ask(model, classes=["up", "down"])) == ["predictions"]
    assert "schema.classes are ['up', 'down']" in caplog.text


def raises(_: Any) -> Any:
    raise RuntimeError("no probabilities today")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (raises, "RuntimeError: no probabilities today"),
        (lambda frame: np.full((len(frame), 2), np.nan), r"not in \[0, 1\]"),
        (lambda frame: np.full((len(frame), 2), 7.0), r"not in \[0, 1\]"),
        (lambda frame: np.full((1, 2), 0.5), r"shape \(1, 2\), not \(3, classes\)"),
        (lambda frame: [np.zeros((3, 2)), np.zeros((3, 4))], "ValueError"),
        (lambda frame: None, "shape|TypeError"),
    ],
)
def test_a_prediction_outlives_its_probabilities(
    model: Any, broken: Any, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = ask(model)["predictions"]
    with quiet():
        monkeypatch.setattr(model.get_raw_model(), "predict_proba", broken)
    with caplog.at_level(logging.WARNING, "vedette.mlflow"):
        assert ask(model) == {"predictions": good}
    (told,) = [record.getMessage() for record in caplog.records if record.name == "vedette.mlflow"]
    assert re.search(said, told)


def test_failures_are_counted_and_told_rarely(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = probabilities.Probabilities(raises)
    answer = '{"predictions": [1]}'
    with caplog.at_level(logging.WARNING, "vedette.mlflow"):
        assert {scores.beside(answer, None) for _ in range(100)} == {answer}
        assert (scores.failed, len(caplog.records)) == (100, 1)
        monkeypatch.setattr(probabilities, "TOLD_EVERY", 0.0)
        scores.beside(answer, None)
    assert "101 so far" in caplog.records[1].getMessage()
