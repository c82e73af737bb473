"""One registry for the session, and the servers that several tests share, started together."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports use what is deprecated
    import mlflow.pyfunc  # noqa: F401
from tests.mlflow.servers import START, Registry, Server
from tests.mlflow.tracking import Tracking, tracking_of

from vedette.cli import exit_code, make_cli
from vedette.http.running import bind

Here = Callable[..., tuple[int, str]]
MODEL = "models:/tumours@champion"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("registry")
    found = Registry(folder)
    script = Path(__file__).with_name("make_registry.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, env=found.environment, timeout=START
    )
    assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="session")
def servers(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """plain: `mlflow models serve`.  watched: with two workers.  strict: with one."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("plain", "watched", "strict")}
    with bind("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
    plain = [sys.executable, "-m", "mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local", "-p", str(port)]
    found = {"plain": Server(plain, registry.environment, folders["plain"], port=port)}
    try:
        for name, options in (("watched", ["--workers", "2"]), ("strict", ["--strict"])):
            yaml = registry.yaml(folders[name])
            found[name] = registry.serve(folders[name], "-m", MODEL, "-c", yaml, *options)
        for server in found.values():
            server.wait_ready()
        yield found
    finally:
        codes = {name: server.stop() for name, server in found.items()}
    assert codes["watched"] == codes["strict"] == 0


@pytest.fixture
def watched(servers: dict[str, Server]) -> Server:
    return servers["watched"]


@pytest.fixture
def tracking(registry: Registry) -> Iterator[Tracking]:
    """MLflow in this process, with an experiment for this test alone."""
    with tracking_of(registry.folder) as found:
        yield found


@pytest.fixture
def here(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Here:
    """A `vedette` command in this process, which has imported MLflow already: exit code, and all that is said."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.environment["MLFLOW_TRACKING_URI"])

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(make_cli(), list(arguments))
        error = done.exception
        if isinstance(error, Exception):
            return exit_code(error), done.output + str(error)
        return done.exit_code, done.output

    return run
