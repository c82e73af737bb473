"""The bindings that are held to the suite: one line each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.platforms.bento import BentoML
from tests.platforms.mlflow_server import MLflow
from tests.platforms.rayserve import RayServe

from vedette.testing.platforms import Embedded, Platform

ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Platform]] = {
    "embedded": lambda request: Embedded(),
    "mlflow": lambda request: MLflow(),
    "bentoml": lambda request: BentoML(),
    "rayserve": lambda request: RayServe(request.getfixturevalue("cluster")),
}
MARKS = {"rayserve": [pytest.mark.ray]}
PLATFORMS = [pytest.param(name, id=name, marks=MARKS.get(name, [])) for name in ADAPTERS]
