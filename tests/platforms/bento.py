"""BentoML as a platform: `bentoml serve` of a module that watches an unedited service."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

from tests.bentoml.serving import ROOT, Bento, environment, wait_for

from vedette.testing.platforms import Platform, Setting, Site

PLAIN = "from tests.bentoml.models import Model as svc\n"
WATCHED = """
import vedette_bentoml
from tests.bentoml import models

svc = vedette_bentoml.watch(models.Model, {config!r})
"""


class BentoML(Platform):
    name = "bentoml"
    processes = 2
    changing_headers = frozenset({"x-bentoml-request-id"})

    def serve(self, setting: Setting) -> Site:
        return BentoSite(setting)


class BentoSite(Site):
    def __init__(self, setting: Setting) -> None:
        watched = setting.config is not None
        module = f"site_{setting.model}"
        text = WATCHED.format(config=str(setting.config)) if watched else PLAIN
        (setting.folder / f"{module}.py").write_text(text)
        env = environment(setting.folder / "home")
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *map(str, setting.pythonpath)])
        self._bento = Bento(f"{module}:svc", setting.folder, env, monitored=watched).__enter__()
        self._beside = f"vedette_{setting.model}_"
        self._reaper: Reaper | None = None
        self.url = f"{self._bento.url}/predict"
        self.api = f"{self._bento.url}/vedette" if watched else None

    def stop_monitors(self) -> None:
        self._reaper = Reaper(self._bento, self._beside)
        self._reaper.start()
        wait_for(lambda: not self._bento.answers("/vedette/healthz"))

    def start_monitors(self) -> None:
        assert self._reaper is not None
        self._reaper.stop()
        wait_for(lambda: self._bento.answers("/vedette/healthz"), what=self._bento.tail)

    def close(self) -> None:
        if self._reaper is not None:
            self._reaper.stop()
        self._bento.close()


class Reaper(threading.Thread):
    """BentoML starts dead services again at once; here they die at once again."""

    def __init__(self, bento: Bento, services: str) -> None:
        super().__init__(daemon=True)
        self._bento = bento
        self._services = services
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            for pid in self._bento.pids(self._services):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self._ended.set()
        self.join()
