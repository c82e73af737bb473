"""MLflow as a platform: `mlflow models serve`, and `vedette mlflow serve` in its place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mlflow.servers import COMMAND, START, Server, gone, until

from vedette.http.running import bind
from vedette.testing.platforms import Platform, Request, Row, Setting, Site, Stamp, stamped

MONITORS = "vedette_mlflow.monitoring"


class MLflow(Platform):
    name = "mlflow"

    def serve(self, setting: Setting) -> Site:
        path = os.pathsep.join([*map(str, setting.pythonpath), os.environ.get("PYTHONPATH", "")])
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # where MLflow looks for uvicorn
            "PYTHONPATH": path,
            "PYTHONHASHSEED": "0",  # MLflow prints sets in its errors
            "MLFLOW_TRACKING_URI": f"sqlite:///{setting.folder / 'mlflow.db'}",
        }
        model = setting.folder / "model"
        if not model.exists():
            script = Path(__file__).with_name("mlflow_model.py")
            made = subprocess.run(
                [sys.executable, str(script), str(model)], env=environment, capture_output=True, timeout=START
            )
            assert made.returncode == 0, made.stderr
        with bind("127.0.0.1", 0) as sock:
            port = sock.getsockname()[1]
        words = ["-m", str(model), "--port", str(port)]
        if setting.config is None:
            command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", *words]
        else:
            command = [*COMMAND, "mlflow", "serve", "-c", str(setting.config), *words]
        return MLflowSite(Server(command, environment, setting.folder, port=port), setting)

    def request(self, rows: Sequence[Row], stamp: Stamp) -> Request:
        columns = list(rows[0]) if rows else ["a", "b", "c"]
        split = {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}
        headers: Mapping[str, str] = {"content-type": "application/json", **stamped(stamp)}
        return Request(json.dumps({"dataframe_split": split}).encode(), headers)


class MLflowSite(Site):
    def __init__(self, server: Server, setting: Setting) -> None:
        self._server = server
        try:
            server.wait_ready()
            if setting.config is not None:
                until(lambda: server.alive() and "monitors:" in server.output())
        except BaseException:
            server.stop()
            raise
        address = f"http://127.0.0.1:{server.port}"
        self.url = f"{address}/invocations"
        self.api = f"{address}/vedette" if setting.config is not None else None

    def stop_monitors(self) -> None:
        """The supervisor stands still meanwhile: it would start them again."""
        self._server.process.send_signal(signal.SIGSTOP)
        for pid in self._server.children(MONITORS):
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: gone(pid))

    def start_monitors(self) -> None:
        before = self._server.children(MONITORS)
        self._server.process.send_signal(signal.SIGCONT)
        until(lambda: set(self._server.children(MONITORS)) - set(before))

    def close(self) -> None:
        if self._server.process.poll() is None:
            self._server.process.send_signal(signal.SIGCONT)
        self._server.stop()
