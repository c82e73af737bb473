"""examples/mlflow: the commands of its README, in a folder of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mlflow.servers import START, Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "mlflow"
FENCED = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.fixture
def commands() -> list[str]:
    """Of the README, without comments."""
    found = FENCED.search((EXAMPLE / "README.md").read_text())
    assert found
    return [line.partition("#")[0].strip() for line in found[1].splitlines()]


def test_the_commands_of_the_readme(commands: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "mlflow"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.db", "*.csv", "mlruns", "mlartifacts"))
    export, train, log, serve, traffic = commands
    name, _, value = export.removeprefix("export ").partition("=")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GIT_PYTHON_REFRESH": "quiet", name: value}

    def run(command: str) -> str:
        done = subprocess.run(
            command.split(), capture_output=True, text=True, env=environment, cwd=folder, timeout=START
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "models:/tumours@champion is version 1" in run(train)
    assert run(log).startswith("sha256:")
    words = serve.removesuffix("&").split()
    server = Server([*words, "--port", "0"], environment, folder, re.compile(r"http://127\.0\.0\.1:(\d+)"))
    try:
        server.wait_ready()
        said = run(f"{traffic.partition(' && ')[0]} http://127.0.0.1:{server.port}")
    finally:
        code = server.stop()
    assert code == 0
    assert "alerts before the change: [], after it: ['shift']" in said
    assert "stands on" in said
