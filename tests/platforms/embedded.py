"""The embedded server as a platform: `vedette serve monitors.yaml --model pkg.mod:predict`, a process of its own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

from vedette.testing.platforms import Platform, Setting, Site

MODEL = "vedette.testing.platforms.model:predict"
START, STOP = 90.0, 60.0  # seconds


class Embedded(Platform):
    name = "embedded"

    def serve(self, setting: Setting) -> Site:
        return EmbeddedSite(setting)


class EmbeddedSite(Site):
    """`plain`: the same server with a configuration that has no monitors, and no tap to speak of."""

    def __init__(self, setting: Setting) -> None:
        config = setting.config or _without_monitors(setting)
        path = os.pathsep.join([*map(str, setting.pythonpath), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-c", "from vedette.cli import main; main()", "serve", str(config)]
        with open(setting.folder / "serve.log", "a") as log:
            self._process = subprocess.Popen(
                [*command, "--model", MODEL, "--port", "0"], cwd=setting.folder, text=True,
                env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        try:
            base = self._address(setting.folder / "serve.log")
        except BaseException:
            self._process.kill()
            self.close()
            raise
        self.url = f"{base}/v1/models/{setting.model}:predict"
        self.api = None if setting.config is None else base

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=STOP)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()

    def _address(self, log: Path) -> str:
        """What it prints when it listens."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START)
        line = self._process.stdout.readline() if ready else ""
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, f"vedette serve did not come up: {line!r}\n{log.read_text()}"
        return found[0]


def _without_monitors(setting: Setting) -> Path:
    config = setting.folder / "plain.yaml"
    features = dict.fromkeys(("a", "b", "c"), "numeric")
    schema = {"task": "binary", "classes": ["no", "yes"], "positive": "yes", "features": features}
    values = {"version": 1, "model": {"name": setting.model}, "schema": schema, "monitors": {}}
    config.write_text(json.dumps(values))
    return config
