"""Real servers as processes: MLflow's own, and the watched one."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START, STOP = 300.0, 120.0  # seconds; on a busy machine four servers start slowly
COMMAND = [sys.executable, "-c", "from vedette.cli import main; main()"]
JSON = {"Content-Type": "application/json"}
YAML = """
version: 1
model: {name: tumours}
reference: reference.csv
schema: {label: diagnosis, positive: malignant}
privacy: {payloads: all}
monitors:
  quality: {metrics: [missing_rate]}
  performance: {metrics: [accuracy]}
explainers: {why: {use: kernel_shap, background: 20}}
"""


@dataclass
class Registry:
    """A folder with mlflow.db, the artifacts, and reference.csv."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # where MLflow looks for uvicorn
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "GIT_PYTHON_REFRESH": "quiet",
            "PYTHONHASHSEED": "0",  # MLflow prints sets in its errors
        }

    def yaml(self, folder: Path, more: str = "") -> Path:
        """monitors.yaml with a store in `folder`."""
        text = YAML.replace("reference.csv", str(self.folder / "reference.csv"))
        path = folder / "monitors.yaml"
        path.write_text(f"{text}store: sqlite:///{folder}/vedette.db\n{more}")
        return path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A `vedette` command that ends."""
        words = [*COMMAND, *map(str, arguments)]
        return subprocess.run(
            words, capture_output=True, text=True, env=self.environment, timeout=START, cwd=self.folder
        )

    def serve(self, folder: Path, *arguments: object) -> Server:
        """`vedette mlflow serve` on a free port."""
        words = [*COMMAND, "mlflow", "serve", "--port", "0", *map(str, arguments)]
        return Server(words, self.environment, folder, re.compile(r"http://127\.0\.0\.1:(\d+)"))


@dataclass(frozen=True)
class Answer:
    """headers: as they came, in order, names in lower case."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def json(self) -> Any:
        return json.loads(self.body)

    def rows(self) -> list[Any]:
        """Of a prediction; none where it has not arrived yet."""
        return self.json() if self.status == 200 else []


@dataclass
class Server:
    """A process with its output in files; ended by its id."""

    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    announced: re.Pattern[str] | None = None
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with (self.folder / "out.log").open("wb") as out, (self.folder / "err.log").open("wb") as err:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=err, env=dict(self.environment), cwd=self.folder
            )

    def wait_ready(self) -> Server:
        if self.announced is not None:
            self.port = int(until(lambda: self.alive() and self.announced.search(self.output()))[1])
        until(lambda: self.alive() and self._answers())
        return self

    def output(self) -> str:
        return (self.folder / "out.log").read_text()

    def errors(self) -> str:
        return (self.folder / "err.log").read_text()

    def alive(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.output()}{self.errors()}"
        return True

    def children(self, module: str) -> list[int]:
        """Process ids of children that run `module`."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if module.encode() in _command(pid)]

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, path, body=data, headers=dict(headers or {}))
            reply = connection.getresponse()
            found = [(name.lower(), value) for name, value in reply.getheaders()]
            return Answer(reply.status, reply.reason, found, reply.read())
        finally:
            connection.close()

    def predict(self, rows: int = 1, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("POST", "/invocations", json.dumps(records(rows)), {**JSON, **(headers or {})})

    def post(self, path: str, body: Any) -> Answer:
        return self.ask("POST", path, json.dumps(body), JSON)

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/vedette/metrics").body.decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])

    def counted(self, monitor: str = "quality") -> int:
        monitors = self.ask("GET", "/vedette/api/monitors").json()
        return next(int(item["rows"]) for item in monitors if item["name"] == monitor)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/ping").status == 200
        except OSError:
            return False


def records(rows: int) -> dict[str, Any]:
    """A request of plausible rows."""
    columns = ["mean radius", "mean texture", "mean smoothness", "perimeter", "size"]
    data = [[14.0 + i % 7, 20.0, 0.1, 90 + i % 5, "medium"] for i in range(rows)]
    return {"dataframe_split": {"columns": columns, "data": data}}


def until(condition: Callable[[], Any], timeout: float = START) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has buried yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
