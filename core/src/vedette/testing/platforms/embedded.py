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

from vedette.testing.platforms import model
from vedette.testing.platforms.platform import Platform, Setting, Site

PREDICT = f"{model.__name__}:predict"
START, STOP = 90.0, 60.0  # seconds


class Embedded(Platform):
    """Without monitors it is the same server with a configuration that names none."""

    name = "embedded"
    monitors_apart = False

    def serve(self, setting: Setting) -> Site:
        if setting.config is None:
            site = EmbeddedSite(setting, _without_monitors(setting), PREDICT)
            site.api = None
            return site
        return EmbeddedSite(setting, setting.config, PREDICT)


class EmbeddedSite(Site):
    """predict: import string of the model; None where only the monitors' API is wanted."""

    def __init__(self, setting: Setting, config: Path, predict: str | None) -> None:
        path = os.pathsep.join([*map(str, setting.pythonpath), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-c", "from vedette.cli import main; main()", "serve", str(config), "--port", "0"]
        self._said = setting.folder / "serve.log"
        with open(self._said, "a") as log:
            self._process = subprocess.Popen(
                command + ([] if predict is None else ["--model", predict]), cwd=setting.folder, text=True,
                env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        try:
            self.api = self._address()
        except BaseException:
            self._process.kill()
            self.close()
            raise
        self.url = f"{self.api}/v1/models/{setting.model}:predict"

    def close(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=STOP)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()

    def _address(self) -> str:
        """What it prints when it listens."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START)
        line = self._process.stdout.readline() if ready else ""
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is None:
            raise RuntimeError(f"vedette serve did not come up: {line!r}\n{self._said.read_text()}")
        return found[0]


def _without_monitors(setting: Setting) -> Path:
    config = setting.folder / "plain.yaml"
    features = dict.fromkeys(model.FEATURES, "numeric")
    schema = {"task": "binary", "classes": model.CLASSES, "positive": model.CLASSES[1], "features": features}
    values = {"version": 1, "model": {"name": setting.model}, "schema": schema, "monitors": {}}
    config.write_text(json.dumps(values), encoding="utf-8")
    return config
