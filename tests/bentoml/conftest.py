"""A configuration to watch with, and BentoML without its own warnings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bentoml.configuration import write_config

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # BentoML's own imports use what others have deprecated
    import bentoml.validators  # noqa: F401
    import starlette.testclient  # noqa: F401
    import tests.bentoml.models  # noqa: F401


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """BentoML and what it is built on use what pydantic and others have deprecated; our own warnings are errors."""
    theirs = ("_bentoml.*", "bentoml.*", "starlette.*", "opentelemetry.*", "simple_di.*")
    for item in items:
        if "tests/bentoml/" in item.path.as_posix():
            for module in theirs:
                item.add_marker(pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """BentoML logs every request."""
    logger = logging.getLogger("bentoml")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)
