"""`mlflow deployments run-local -t vedette-rayserve`: a Ray of its own, that ends with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.mlflow.servers import Registry, records, until
from tests.mlflow.tracking import CHAMPION


@pytest.mark.ray
@pytest.mark.slow
def test_a_model_runs_locally_and_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    words = ["run-local", "-t", "vedette-rayserve", "-m", CHAMPION, "--name", "local"]
    config = ["-C", f"monitors={registry.yaml(tmp_path)}", "-C", "cpus=0.1"]
    out, err = tmp_path / "out.log", tmp_path / "err.log"
    with out.open("wb") as output, err.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "deployments", *words, *config],
            env=registry.environment, stdout=output, stderr=errors, cwd=tmp_path, start_new_session=True,
        )  # fmt: skip
    try:

        def announced() -> re.Match[str] | None:
            assert process.poll() is None, err.read_text()
            return re.search(r"(http://\S+/local)/invocations; monitors: (\S+)/$", out.read_text(), re.MULTILINE)

        found = until(announced, 400)
        reply = httpx.post(f"{found[1]}/invocations", json=records(2), timeout=60, trust_env=False)
        assert len(reply.raise_for_status().json()["predictions"]) == 2
        assert httpx.get(f"{found[2]}/healthz", timeout=60, trust_env=False).is_success
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(90)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, err.read_text() + json.dumps(out.read_text())
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{found[1]}/ping", timeout=5, trust_env=False)
