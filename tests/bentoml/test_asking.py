"""How explainers ask a model: its endpoint's own form of request, read from its schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.bentoml.configuration import write_config
from tests.bentoml.models import many

from vedette.config.loading import load_all
from vedette.config.plan import Plan
from vedette.engine.explain.gateway import Gateway, GatewayError
from vedette.testing.platforms.model import FEATURES, probabilities
from vedette_bentoml.endpoint import Endpoint, bodies
from vedette_bentoml.graph import endpoint
from vedette_specs.convert import as_batch

ROWS = np.array([[0.5, 1.0, -1.0], [-2.0, 0.0, 0.5], [1.0, 1.0, 1.0]])
TRIED: list[Any] = []


@pytest.fixture(scope="module")
def service() -> Any:
    return many()


@pytest.fixture(scope="module")
def client(service: Any) -> Iterator[TestClient]:
    with TestClient(service.to_asgi(), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return load_all([write_config(tmp_path_factory.mktemp("asking"))]).plan


class InProcess(Endpoint):
    """The endpoint without a server between."""

    def __init__(self, client: TestClient, service: Any, name: str, plan: Plan) -> None:
        super().__init__(service, name, plan)
        self._client = client
        self._base = "http://localhost"
        self.statuses: list[int] = []

    def _post(self, body: Any) -> Any:
        TRIED.append(body)
        try:
            return super()._post(body)
        except GatewayError:
            self.statuses.append(1)
            raise


@pytest.mark.parametrize("name", ["arrays", "frame", "model", "batched", "stream", "astream", "context"])
def test_every_kind_of_endpoint_can_be_asked_at_the_first_attempt(
    name: str, service: Any, client: TestClient, plan: Plan
) -> None:
    model = InProcess(client, service, name, plan)
    rows = as_batch(dict(zip(FEATURES, ROWS.T, strict=True)), plan.schema)
    found = Gateway(name, plan.schema, model)(rows)
    assert np.allclose(found, probabilities(ROWS))
    assert model.statuses == []
    TRIED.clear()
    assert np.allclose(Gateway(name, plan.schema, model)(rows), found)
    assert len(TRIED) == (3 if name == "model" else 1)  # a model of pydantic is one row


def test_an_argument_a_feature(service: Any, client: TestClient, plan: Plan) -> None:
    model = InProcess(client, service, "features", plan)
    rows = as_batch(dict(zip(FEATURES, ROWS.T, strict=True)), plan.schema)
    assert Gateway("features", plan.schema, model)(rows).tolist() == (probabilities(ROWS) >= 0.5).astype(float).tolist()


def test_a_model_that_cannot_be_asked_says_why(service: Any, client: TestClient, plan: Plan) -> None:
    model = InProcess(client, service, "raises", plan)
    rows = as_batch(dict(zip(FEATURES, ROWS.T, strict=True)), plan.schema)
    with pytest.raises(GatewayError, match=r"endpoint 'raises' takes rows in no form that is known; .* answered 500"):
        Gateway("raises", plan.schema, model)(rows)


def test_rows_inside_of_an_argument_are_found_by_the_capture_path(service: Any, plan: Plan) -> None:
    one = as_batch(dict(zip(FEATURES, ROWS[:1].T, strict=True)), plan.schema)
    body, inputs = next(bodies(endpoint(service, "arrays"), one, "kwargs.rows.inner.deep"))
    assert body == {"rows": {"inner": {"deep": ROWS[:1].tolist()}}}
    assert inputs == "body.rows.inner.deep"


def test_a_service_that_is_not_served_is_not_asked(service: Any, plan: Plan) -> None:
    assert not Endpoint(service, "arrays", plan).reachable
