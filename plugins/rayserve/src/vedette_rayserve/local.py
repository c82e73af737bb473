"""A Ray of one's own on this machine, with its own ports and files, for demos and tests; others are left alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

START_TIMEOUT = 90.0
STOP_TIMEOUT = 10.0  # Serve's controller does not end by itself, and the session is ended afterwards
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_enable_open_telemetry": "0",
}
_PORTS = (
    "port",
    "dashboard-port",
    "ray-client-server-port",
    "metrics-export-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "node-manager-port",
    "object-manager-port",
)


class LocalRay:
    """`with LocalRay() as ray: ...`: a head node in a process group of its own, which is ended on leaving.

    address: for ray.init.  dashboard: for `serve deploy --address`.  http_port: a free one for Serve's proxy.
    """

    def __init__(self, cpus: int = 4, environment: dict[str, str] | None = None) -> None:
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.http_port = free_ports(1)[0]
        self.cpus = cpus
        self.address = f"127.0.0.1:{ports['port']}"
        self.dashboard = f"http://127.0.0.1:{ports['dashboard-port']}"
        self.environment = {**os.environ, **QUIET, **(environment or {}), "RAY_ADDRESS": self.address}
        self._ports = ports
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """Of the process that ends this Ray when it is sent SIGTERM."""
        if self._process is None:
            raise RuntimeError("the local Ray was not started")
        return self._process.pid

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the local Ray was not started")
        return self._folder

    def start(self) -> Self:
        # a unix socket's path has at most 107 bytes and Ray adds about 60: a short folder, not one of pytest's
        self._folder = Path(tempfile.mkdtemp(prefix="vdt-", dir="/tmp"))
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
        command += ["--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--include-log-monitor=false"]
        command += [f"--num-cpus={self.cpus}", f"--temp-dir={self._folder}", "--object-store-memory=100000000"]
        command += [f"--{name}={port}" for name, port in self._ports.items()]
        environment = {k: v for k, v in self.environment.items() if k != "RAY_ADDRESS"}
        with open(self._folder / "start.log", "wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._wait()
        return self

    def stop(self) -> None:
        """End the processes of this Ray, and of no other, and delete its files."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # `ray start --block` then ends what it has started
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            end_processes_of(self._folder, None if self._process is None else self._process.pid)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None

    def run(self, *arguments: str, timeout: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Run a Python module of the cluster's command lines, such as `ray.serve.scripts deploy ...`, against it."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.dashboard}/api/version", timeout=2.0, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.3)
        said = (self.folder / "start.log").read_text(errors="replace")
        self.stop()
        raise RuntimeError(f"Ray did not start within {START_TIMEOUT:g} s:\n{said}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def end_processes_of(folder: Path, session: int | None = None) -> None:
    """SIGKILL what still runs in this Ray's session, or with its folder on its command line or in its environment.

    A Ray process that has set its title has lost its command line and its environment, but not its session.
    """
    for entry in Path("/proc").glob("[0-9]*") if Path("/proc").is_dir() else ():
        pid = int(entry.name)
        if pid == os.getpid():
            continue
        try:
            ours = session is not None and os.getsid(pid) == session
            if ours or str(folder).encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except OSError:  # not ours to read, or gone
            continue
