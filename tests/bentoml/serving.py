"""A real `bentoml serve` in a process group of its own, and what a test wants to know of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from vedette.http.running import bind

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 240.0
STOP_TIMEOUT = 60.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of a BentoML that keeps its files in `home`, and tells nobody of itself."""
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "PYTHONWARNINGS": "ignore", **more}


def free_port() -> int:
    with bind("127.0.0.1", 0) as sock:
        return int(sock.getsockname()[1])


def bentoml(*arguments: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a command of BentoML; returns what it printed."""
    command = [sys.executable, "-m", "bentoml", *arguments]
    done = subprocess.run(command, cwd=folder, env=dict(env), capture_output=True, text=True, timeout=START_TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Bento:
    """`with Bento("site:svc", folder, env) as bento`: served; left: stopped in good order, as on Ctrl-C in a container.

    monitored: whether to wait for the monitors too.
    """

    def __init__(self, target: str, folder: Path, env: Mapping[str, str], monitored: bool = True) -> None:
        self.target = target
        self.folder = folder
        self.env = dict(env)
        self.monitored = monitored
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"serve-{self.port}.log"
        self.http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bentoml", "serve", self.target, "--host", "127.0.0.1", "--port"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, str(self.port)], cwd=self.folder, env=self.env, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(lambda: self.answers("/readyz"), START_TIMEOUT, self.tail)
            if self.monitored:
                wait_for(lambda: self.answers("/vedette/healthz"), START_TIMEOUT, self.tail)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """SIGTERM to BentoML's first process, which stops the others; can come twice."""
        if self._process is None:
            return
        children = self.pids("")
        process, self._process = self._process, None
        self.http.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            for pid in [process.pid, *children]:  # each of BentoML's processes leads a group of its own
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"not stopped within {STOP_TIMEOUT:g} s:\n{self.tail()}") from None

    def answers(self, path: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.tail()}"
        try:
            return self.http.get(path).status_code == 200
        except httpx.HTTPError:
            return False

    def pids(self, service: str) -> list[int]:
        """Processes of this bento that run a service whose name begins so."""
        assert self._process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self._process.pid and any(word.startswith(service.encode()) for word in words):
                found.append(int(entry.name))
        return sorted(found)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]

    def get(self, path: str, **parameters: Any) -> Any:
        return self.http.get(path, params=parameters).raise_for_status().json()

    def metrics(self) -> dict[str, float]:
        """Series of /vedette/metrics without labels."""
        lines = self.http.get("/vedette/metrics").raise_for_status().text.splitlines()
        pairs = (line.split() for line in lines if line and not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in pairs}


def wait_for(look: Callable[[], Any], timeout: float = 90.0, what: Callable[[], str] | str = "") -> Any:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.25)
    raise AssertionError(f"nothing within {timeout:g} s: {what() if callable(what) else what}")
