"""`vedette serve` as a process: what it prints, whom it lets in, and that nothing is lost when it is told to stop."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.sites import MODEL, YAML, label_list, wait_for, write_config
from typer.testing import CliRunner

from vedette.cli import make_cli
from vedette.engine.service import Service
from vedette.http.embedded import NotLoopback, check_host, is_loopback
from vedette.store.database import Store

MODULE = """
import numpy as np
from vedette.testing.data import MadeUpModel
from vedette_specs.convert import as_batch
known = MadeUpModel("binary")
def predict(frame):
    return known.predict(as_batch(frame, known.schema))
"""


def command(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from vedette.cli import main; main()", *arguments]
    environment = {k: v for k, v in os.environ.items() if k.lower() not in ("http_proxy", "all_proxy")}
    return subprocess.Popen(
        program, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A running server and the line that it printed for each model."""
    process = command("serve", *arguments, "--port", "0", folder=folder)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "nothing was printed"
        yield process, [process.stdout.readline() for _ in range(sum(a.endswith(".yaml") for a in arguments))]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+(/vedette/\w+)?", line)
    assert found, line
    return found[0]


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return errors


def service_of(folder: Path) -> Service:
    from vedette.config import load
    from vedette.engine.bundle import Bundle
    from vedette.plugins import get_registry

    plan = load(folder / "monitors.yaml")
    return Service(Store(plan.store), Bundle(plan, get_registry(), ""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path)
    (tmp_path / "mymodel.py").write_text(MODULE)
    return tmp_path


def test_sigterm_drains_what_was_just_predicted_and_labelled(folder: Path) -> None:
    with serve(folder, "monitors.yaml", "--model", "mymodel:predict") as (process, lines):
        assert "v2/models/income/infer" in lines[0]
        with httpx.Client(base_url=address(lines[0]), trust_env=False) as client:
            for i in range(40):
                rows = MODEL.rows(25, 100 + i)
                body = {"instances": rows.to_records()}
                reply = client.post("/v1/models/income:predict", json=body, headers={"X-Request-Id": f"r-{i}"})
                assert reply.status_code == 200, reply.text
                feedback = {"id": f"r-{i}", "labels": label_list(rows)}
                assert client.post("/feedback", json=feedback).status_code == 202
        errors = stop(process)
    assert "drained and stopped" in errors
    assert "Traceback" not in errors
    service = service_of(folder)
    assert [m["rows"] for m in service.monitors()] == [1000] * 4
    assert len(service.prediction("r-39")) == 25
    counts = service.counters()
    assert sum(counts.get(f"labels_{state}", 0) for state in ("pending", "applied")) == 1000
    assert (counts["logged_batches"], counts["poisoned_batches"]) == (0, 0)
    service.store.close()


def test_requests_under_way_are_answered_before_it_stops(folder: Path) -> None:
    text = "import pathlib, time\ndef predict(frame):\n    pathlib.Path('called').touch()\n    time.sleep(1.5)\n"
    (folder / "slow.py").write_text(text + "    return [0.5] * len(frame)\n")
    with serve(folder, "monitors.yaml", "--model", "slow:predict") as (process, lines):
        url = address(lines[0])
        with ThreadPoolExecutor(1) as pool:
            row = MODEL.rows(1).to_records()
            reply = pool.submit(httpx.post, f"{url}/predict", json=row, trust_env=False, timeout=10)
            wait_for((folder / "called").exists)
            stop(process, signal.SIGINT)
            assert reply.result().json()["predictions"] == [">50K"]
    service = service_of(folder)
    assert service.monitors()[1]["rows"] == 1
    service.store.close()


def test_a_restart_goes_on_where_it_stopped(folder: Path) -> None:
    for expected in (10, 20):
        with serve(folder, "monitors.yaml", "--model", "mymodel:predict") as (process, lines):
            with httpx.Client(base_url=address(lines[0]), trust_env=False) as client:
                assert client.post("/predict", json=MODEL.rows(10).to_records()).status_code == 200
            errors = stop(process)
        assert ("start drift" if expected == 10 else "keep drift") in errors
        service = service_of(folder)
        assert service.monitors()[1]["rows"] == expected
        service.store.close()


def test_several_models_are_served_under_their_names(folder: Path) -> None:
    (folder / "churn.yaml").write_text((folder / "monitors.yaml").read_text().replace("income}", "churn}"))
    with serve(folder, "monitors.yaml", "churn.yaml") as (process, lines):
        urls = [address(line) for line in lines]
        assert [url.rpartition("/")[2] for url in urls] == ["income", "churn"]
        for url in urls:
            name = url.rpartition("/")[2]
            assert httpx.get(f"{url}/api/status", trust_env=False).json()["model"] == name
            assert f"<h1>{name}" in httpx.get(f"{url}/", trust_env=False).text
        index = httpx.get(urls[0].partition("/vedette")[0], trust_env=False).text
        assert 'href="/vedette/churn/"' in index
        stop(process)


def test_another_site_s_name_for_this_machine_is_no_caller(folder: Path) -> None:
    with serve(folder, "monitors.yaml") as (process, lines):
        url = address(lines[0])
        for host, status in (("evil.example", 400), ("localhost", 200), ("127.0.0.1:8200", 200)):
            assert httpx.get(f"{url}/healthz", headers={"Host": host}, trust_env=False).status_code == status
        reply = httpx.get(f"{url}/healthz", headers={"Host": "evil.example"}, trust_env=False)
        assert "host" in reply.json()["error"].lower()
        stop(process)


def test_other_machines_are_not_let_in_without_a_token(folder: Path) -> None:
    process = command("serve", "monitors.yaml", "--host", "0.0.0.0", "--port", "0", folder=folder)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert "Traceback" not in errors
    assert "server.tokens" in errors
    assert "income" in errors


def fails(*arguments: object) -> str:
    result = CliRunner().invoke(make_cli(), ["serve", *map(str, arguments)])
    assert result.exit_code != 0
    return f"{result.output} {result.exception}"


def test_what_it_says_when_it_cannot_start(folder: Path) -> None:
    config = folder / "monitors.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port} cannot be bound" in fails(config, "--port", port)
    assert "no module 'gone'" in fails(config, "--port", 0, "--model", "gone:predict")
    assert "stands in several files" in fails(config, config)
    assert "with several files" in fails(config, config, "--model", "mymodel:predict")
    wrong = folder / "wrong.yaml"
    wrong.write_text(YAML.replace("windows:", "windws:"))
    assert "did you mean 'windows'" in fails(wrong)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.7", False), ("example.com", False)],
)  # fmt: skip
def test_which_addresses_are_this_machine_s(host: str, loopback: bool) -> None:
    tokens: dict[str, Any] = {"a": {}, "b": {"t": ("read",)}}
    assert is_loopback(host) == loopback
    check_host(host, {"b": tokens["b"]})
    if loopback:
        check_host(host, tokens)
    else:
        with pytest.raises(NotLoopback, match="a asks for no token"):
            check_host(host, tokens)
