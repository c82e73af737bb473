"""Ray Serve as a platform: the commands that a user gives, on the session's cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vedette.testing.platforms import Platform, Setting, Site
from vedette_rayserve.deploy import ServeClient, merged
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import monitors_app, route

ROOT = Path(__file__).parents[2]
APPLICATION = "tests.platforms.rayserve_model:app"
TIMEOUT = 120.0  # seconds until applications run, or are gone


class RayServe(Platform):
    name = "rayserve"

    def __init__(self, cluster: LocalRay) -> None:
        self.cluster = cluster

    @property
    def yaml(self) -> Mapping[str, Any]:
        few = {"replicas": {"min": 0, "max": 1}, "cpus": 0.1}
        return {"pools": {"default": {"replicas": 1, "cpus": 0.1}, "explain": few}}

    def serve(self, setting: Setting) -> Site:
        application = {"name": setting.model, "route_prefix": f"/{setting.model}", "import_path": APPLICATION}
        applications = [application] if setting.config is None else self._instrumented(setting, application)
        return RayServeSite(self.cluster, setting, applications)

    def _instrumented(self, setting: Setting, application: dict[str, Any]) -> list[dict[str, Any]]:
        """By `vedette rayserve instrument`; the monitors find the kit's plugin on their path."""
        plain, watched = setting.folder / "serve_config.yaml", setting.folder / "monitored.yaml"
        plain.write_text(yaml.safe_dump({"applications": [application]}))
        path = os.pathsep.join([str(ROOT), *map(str, setting.pythonpath)])
        command = [sys.executable, "-c", "from vedette.cli import main; main()", "rayserve", "instrument"]
        command += [str(plain), "-c", str(setting.config), "-o", str(watched)]
        environment = {**self.cluster.environment, "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stdout + done.stderr
        model, monitors = yaml.safe_load(watched.read_text())["applications"]
        return [model, {**monitors, "runtime_env": {"env_vars": {"PYTHONPATH": path}}}]


class RayServeSite(Site):
    """applications: the model's, then the monitors' if there are any."""

    def __init__(self, cluster: LocalRay, setting: Setting, applications: list[dict[str, Any]]) -> None:
        self._client = ServeClient(cluster.dashboard)
        self._closed = False
        self._model, self._monitors = applications[0], applications[1:]
        self._deploy(applications)
        self.url = f"{cluster.url}/{setting.model}"
        self.api = f"{cluster.url}{route(setting.model)}" if self._monitors else None
        assert [item["name"] for item in self._monitors] in ([], [monitors_app(setting.model)])

    def stop_monitors(self) -> None:
        self._remove(self._monitors)

    def start_monitors(self) -> None:
        self._deploy(self._monitors)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._remove([self._model])  # its tap still has somewhere to send to
            self._remove(self._monitors)
            self._client.close()

    def _deploy(self, applications: list[dict[str, Any]]) -> None:
        self._client.put(merged(self._client.live(), {"applications": applications}))
        names = _names(applications)

        def running() -> bool:
            found = self._client.applications()
            failed = {name: found[name]["message"] for name in names & found.keys() if "FAIL" in found[name]["status"]}
            assert not failed, failed
            return all(found.get(name, {}).get("status") == "RUNNING" for name in names)

        _wait(running, f"{sorted(names)} do not run")

    def _remove(self, applications: list[dict[str, Any]]) -> None:
        live, names = self._client.live(), _names(applications)
        kept = [item for item in live["applications"] if item["name"] not in names]
        if len(kept) < len(live["applications"]):
            self._client.put({**live, "applications": kept})
        _wait(lambda: not names & self._client.applications().keys(), f"{sorted(names)} do not end")


def _names(applications: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(item["name"]) for item in applications}


def _wait(done: Any, what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not done():
        assert time.monotonic() < deadline, f"not within {TIMEOUT:g} s: {what}"
        time.sleep(0.2)
