"""Stores of both kinds for every test that asks for one, and hypothesis without flakiness."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from vedette_rayserve.local import LocalRay

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

RAY = "ray"  # one cluster serves the whole session
RAY_TESTS = ("tests/rayserve/", "tests/platforms/", "tests/mlflow/test_deployments.py")
POSTGRES = "VEDETTE_TEST_POSTGRES"  # URL of a database whose user may create others; by default one on localhost


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where two processes run the tests, one of them takes all that need Ray; other files stay whole."""
    from xdist.scheduler import LoadScopeScheduling

    class ByCluster(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByCluster(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs Ray takes longest, and begins."""
    items.sort(key=lambda item: _group(item.nodeid) != RAY)


def _group(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return RAY if path.startswith(RAY_TESTS) else path


@cache
def postgres() -> tuple[str | None, str]:
    """The URL of a PostgreSQL that answers, or None and why there is none."""
    given = os.environ.get(POSTGRES)
    users = dict.fromkeys([os.environ.get("PGUSER", "postgres"), "postgres", "root"])
    reason = ""
    for url in [given] if given else [f"postgresql://{user}@localhost:5432/test" for user in users]:
        try:
            with psycopg.connect(url, connect_timeout=3):
                return url, ""
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
    return None, reason


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A new, empty PostgreSQL database, dropped afterwards; skips where no server answers."""
    url, reason = postgres()
    if url is None:
        pytest.skip(f"no PostgreSQL answers ({reason}); set {POSTGRES}")
    name = f"vedette_test_{uuid4().hex[:16]}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        yield url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'vedette.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty store: each test that takes it runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalRay]:
    """The session's one real Ray."""
    from tests.rayserve.cluster import running_cluster  # Ray is imported where it is asked for

    with running_cluster() as local:
        yield local
